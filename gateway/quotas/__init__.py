"""How many calls a day a grant allows, counted together by every worker of every host."""
