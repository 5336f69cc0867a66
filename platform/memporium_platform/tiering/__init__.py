"""Which memories stay in the fast tier: policies, the tier they rule, and a simulator with bounds on the optimum."""
