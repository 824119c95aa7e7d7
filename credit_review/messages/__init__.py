"""What people read in Slack: cards, lists, summaries, notices, modals and the App Home, each rebuilt from the record when it is shown."""

from credit_review.messages.card import View, asked, figures
from credit_review.messages.gathering import Company
from credit_review.messages.render import renderer
from credit_review.messages.text import Message, cleaned, escaped
from credit_review.messages.why import wished_minor

__all__ = ["Company", "Message", "View", "asked", "cleaned", "escaped", "figures", "renderer", "wished_minor"]
