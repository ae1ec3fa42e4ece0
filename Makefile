# The two commands of the README. What they do stands in scripts/.
.PHONY: demo test

demo:
	@scripts/demo

test:
	@scripts/test
