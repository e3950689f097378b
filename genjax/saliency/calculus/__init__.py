"""The calculus under the saliency methods: exact unmixed derivatives of a score, and the reading of heads as jaxprs.

From the ground up: `jaxpr` (walk and cut programs), `float64` and `widen` (precision), `proof` (is a head piecewise
linear?), `locality` and `structure` (where do positions stop mattering one by one?), the ways to compute (`forward`,
`closed_form`, `smooth`, `pooled`, and `directions` with Taylor `series` through `rows` and `attention`), and
`derivatives`, which picks one.
"""
