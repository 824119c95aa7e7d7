"""The credit policy as validated data: every rule a review applies, exactly the fields of `deployments/starter/policy.yaml`.

Amounts are Decimals in major units of `control_currency`; `Policy.minor` turns them into integer minor units. Factors and fractions that
multiply money are Decimals with at most six decimals, so money is multiplied exactly; thresholds on ratios and probabilities are floats.
Every field is described in docs/policy-reference.md. No pandas here: the command line and the chat listener read policies too.
"""

from credit_review.policy.adverse import AdverseRules as AdverseRules
from credit_review.policy.amounts import ForecastRule as ForecastRule
from credit_review.policy.amounts import LimitRules as LimitRules
from credit_review.policy.classes import ClassRule as ClassRule
from credit_review.policy.classes import Exclude as Exclude
from credit_review.policy.classes import Starter as Starter
from credit_review.policy.classes import UnusedDown as UnusedDown
from credit_review.policy.deciding import Approvals as Approvals
from credit_review.policy.deciding import ControlRules as ControlRules
from credit_review.policy.deciding import DueDays as DueDays
from credit_review.policy.deciding import FindingRules as FindingRules
from credit_review.policy.groups import GroupRules as GroupRules
from credit_review.policy.insurance import InsuranceRules as InsuranceRules
from credit_review.policy.problems import Problem as Problem
from credit_review.policy.reviewing import AGEING_DAYS as AGEING_DAYS
from credit_review.policy.reviewing import ExposureRules as ExposureRules
from credit_review.policy.scores import VIEWS as VIEWS
from credit_review.policy.scores import ScoringRules as ScoringRules
from credit_review.policy.scores import View as View
from credit_review.policy.soundness import load as load
from credit_review.policy.soundness import problems as problems
from credit_review.policy.whole import Policy as Policy
