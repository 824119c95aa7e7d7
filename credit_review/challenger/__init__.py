"""A challenger: boosted trees that run in the shadow of the scorecard and are compared with it. They decide nothing.

`card` is what stands in readable JSON beside the model file, `fitting` makes both, `stored` is the model file, `columns` what the trees
see, `comparison` what their figures are held against. scikit-learn and skops are imported only by functions that need them.
"""
