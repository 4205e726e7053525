library(testthat)
library(voicerisk)

test_check("voicerisk")
