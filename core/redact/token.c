/*
 * The class of token bytes, and the stride, by lengths alone.
 */

#include "redact/token.h"

/* A bit for each row of ASCII, by the byte's upper four bits: 2; 3; 4 and 6; 5;
 * 7; and two bits for '%' and '\'. */
const struct simd_class redact_token = {
    .low = { 0x1a, 0x1e, 0x1e, 0x1e, 0x1e, 0x5f, 0x1e, 0x1e, 0x1e, 0x1e, 0x1c,
        0x05, 0x8c, 0x05, 0x15, 0x0d },
    .high = { [2] = 0x41,
        [3] = 0x02,
        [4] = 0x04,
        [5] = 0x88,
        [6] = 0x04,
        [7] = 0x10 },
};

/*
 * Credentials often begin with what is public: the issuer, an account. So of a
 * run of `n` bytes only the last 16 and a third of the rest count as random,
 * and no window begins before them. Otherwise one who knows all bytes of a
 * window but the last could try each value of that one, and go on to the next.
 */
unsigned
redact_stride(size_t n)
{
    AN(n >= WORTH_MIN);
    size_t random = WORTH_MIN + (n - WORTH_MIN) / 3;
    size_t stride = random - WORTH_MIN + 1;
    return stride < REDACT_STRIDE_MAX ? (unsigned)stride : REDACT_STRIDE_MAX;
}
