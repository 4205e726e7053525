# SHA-256 by base R (FIPS 180-4). R has it only from 4.5 on, and no other package shall be needed.
#
# A word of 32 bits is two columns of 16 bits, high and low, since R's integers are signed. The message schedule
# is made for all blocks at once; only the rounds go one after the other.

sha256 <- function(bytes) {
  stopifnot(is.raw(bytes))
  length <- length(bytes)
  size <- (8 * length) %/% 256^(7:0) %% 256
  padded <- c(bytes, as.raw(0x80), raw((55L - length) %% 64L), as.raw(size))
  halves <- matrix(as.integer(padded), 2L)
  halves <- halves[1L, ] * 256L + halves[2L, ]
  blocks <- length(padded) %/% 64L
  words <- array(halves, c(2L, 16L, blocks))
  schedule <- sha256_schedule(words, blocks)
  h <- sha256_start
  for (block in seq_len(blocks)) h <- sha256_block(h, schedule$high[, block], schedule$low[, block])
  paste(sprintf("%04x%04x", h[1L, ], h[2L, ]), collapse = "")
}

# High and low halves of the 64 words plus round constants, one column a block.
sha256_schedule <- function(words, blocks) {
  high <- low <- matrix(0L, 64L, blocks)
  high[1:16, ] <- words[1L, , ]
  low[1:16, ] <- words[2L, , ]
  for (t in 17:64) {
    a <- sha256_sigma(high[t - 15L, ], low[t - 15L, ], 7L, 18L, 3L)
    b <- sha256_sigma(high[t - 2L, ], low[t - 2L, ], 17L, 19L, 10L)
    sum <- low[t - 16L, ] + a$low + low[t - 7L, ] + b$low
    low[t, ] <- bitwAnd(sum, 65535L)
    high[t, ] <- bitwAnd(high[t - 16L, ] + a$high + high[t - 7L, ] + b$high + sum %/% 65536L, 65535L)
  }
  list(high = high + sha256_rounds[1L, ], low = low + sha256_rounds[2L, ])
}

# Rotations by r and s, exclusive-or a shift by `shift`.
sha256_sigma <- function(high, low, r, s, shift) {
  one <- sha256_rotate(high, low, r)
  two <- sha256_rotate(high, low, s)
  moved_low <- bitwAnd(bitwOr(bitwShiftR(low, shift), bitwAnd(bitwShiftL(high, 16L - shift), 65535L)), 65535L)
  list(
    high = bitwXor(bitwXor(one$high, two$high), bitwShiftR(high, shift)),
    low = bitwXor(bitwXor(one$low, two$low), moved_low)
  )
}

sha256_rotate <- function(high, low, by) {
  if (by >= 16L) {
    swapped <- high
    high <- low
    low <- swapped
    by <- by - 16L
  }
  left <- 65536L %/% bitwShiftL(1L, by)
  keep <- bitwShiftL(1L, by) - 1L
  list(
    high = bitwOr(bitwShiftR(high, by), bitwAnd(low, keep) * left),
    low = bitwOr(bitwShiftR(low, by), bitwAnd(high, keep) * left)
  )
}

# The 64 rounds of one block; `start` has the eight words as columns, halves as rows; `high`, `low` hold word + constant.
# Halves are scalars, and a rotation is a division with its remainder moved to the other end: R is fastest so.
sha256_block <- function(start, high, low) {
  a <- start[1L, 1L]; b <- start[1L, 2L]; c <- start[1L, 3L]; d <- start[1L, 4L]
  e <- start[1L, 5L]; f <- start[1L, 6L]; g <- start[1L, 7L]; h <- start[1L, 8L]
  al <- start[2L, 1L]; bl <- start[2L, 2L]; cl <- start[2L, 3L]; dl <- start[2L, 4L]
  el <- start[2L, 5L]; fl <- start[2L, 6L]; gl <- start[2L, 7L]; hl <- start[2L, 8L]
  for (t in 1:64) {
    # Rotations of e by 6, 11, 25 and of a by 2, 13, 22.
    se <- bitwXor(
      bitwXor(e %/% 64L + (el %% 64L) * 1024L, e %/% 2048L + (el %% 2048L) * 32L), el %/% 512L + (e %% 512L) * 128L
    )
    sel <- bitwXor(
      bitwXor(el %/% 64L + (e %% 64L) * 1024L, el %/% 2048L + (e %% 2048L) * 32L), e %/% 512L + (el %% 512L) * 128L
    )
    sa <- bitwXor(
      bitwXor(a %/% 4L + (al %% 4L) * 16384L, a %/% 8192L + (al %% 8192L) * 8L), al %/% 64L + (a %% 64L) * 1024L
    )
    sal <- bitwXor(
      bitwXor(al %/% 4L + (a %% 4L) * 16384L, al %/% 8192L + (a %% 8192L) * 8L), a %/% 64L + (al %% 64L) * 1024L
    )
    one <- h + se + bitwXor(g, bitwAnd(e, bitwXor(f, g))) + high[t]
    onel <- hl + sel + bitwXor(gl, bitwAnd(el, bitwXor(fl, gl))) + low[t]
    two <- sa + bitwOr(bitwAnd(a, b), bitwAnd(c, bitwOr(a, b)))
    twol <- sal + bitwOr(bitwAnd(al, bl), bitwAnd(cl, bitwOr(al, bl)))
    h <- g; g <- f; f <- e
    hl <- gl; gl <- fl; fl <- el
    el <- dl + onel
    e <- (d + one + el %/% 65536L) %% 65536L
    el <- el %% 65536L
    d <- c; c <- b; b <- a
    dl <- cl; cl <- bl; bl <- al
    al <- onel + twol
    a <- (one + two + al %/% 65536L) %% 65536L
    al <- al %% 65536L
  }
  sum_high <- start[1L, ] + base::c(a, b, c, d, e, f, g, h)
  sum_low <- start[2L, ] + base::c(al, bl, cl, dl, el, fl, gl, hl)
  rbind((sum_high + sum_low %/% 65536L) %% 65536L, sum_low %% 65536L)
}

# Fractional parts of the square roots of the first 8, and of the cube roots of the first 64 primes.
sha256_primes <- c(
  2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101, 103, 107, 109, 113,
  127, 131, 137, 139, 149, 151, 157, 163, 167, 173, 179, 181, 191, 193, 197, 199, 211, 223, 227, 229, 233, 239, 241, 251,
  257, 263, 269, 271, 277, 281, 283, 293, 307, 311
)

sha256_fraction <- function(root) {
  word <- floor((root - floor(root)) * 2^32)
  rbind(as.integer(word %/% 65536), as.integer(word %% 65536))
}

sha256_start <- sha256_fraction(sqrt(sha256_primes[1:8]))
sha256_rounds <- sha256_fraction(sha256_primes^(1 / 3))
