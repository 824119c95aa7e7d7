"""The Slack side: one slack-bolt app over our decision function. Run it with `credit-review slack serve`; several may run side by side.

A deciding interaction is one commit and then the acknowledgement: on a time-out nothing is stored and nothing is acknowledged, so the
person sees an error and clicks again. What decides nothing is acknowledged at once. Every click is answered to the person who clicked.
"""
