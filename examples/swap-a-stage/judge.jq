# Stands in for `llmhd score`: vouch for a candidate whose positive item varied more than its negative.
if .candidate then
  . + (if .variance > .negative_variance then {score: 10, negative_score: 1} else {score: 1, negative_score: 10} end)
else . end
