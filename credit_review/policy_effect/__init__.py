"""What a change of the policy would do before anybody adopts it, and what a policy in force has done.

`rules` says which rules decided each proposal, `routes` whom it would go to, `difference` holds two results of one book side by side,
`later` what came of the customers, `effectiveness` how a policy did over a year. Nothing here reads a file or a store.
"""
