/* Attention of many queries in bf16 by a CPU's products of bf16, in its matrix units (AMX) or else in its vectors (AVX-512):
   32 queries of one head at a time, their scores in float32 kept whole, nothing computed for keys after the last that any of
   them sees. Queries, keys and values are read where they lie. The products' sums are float32; the weights of the values are
   rounded to bf16 before they are normed, as torch's kernel does. */

#include <math.h>
#include <omp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef uint16_t bf16;

#ifdef __AVX512BF16__
#include <immintrin.h>

enum { EDGE = 16, BLOCK = 2 * EDGE, TILE = EDGE * EDGE, MOST = 256 };
/* A tile is 16 rows of 16 words of 4 bytes; a head has up to 256 numbers. */

/* Sums of a block of 32 x 32: rows of A [32, 32 depth] in steps of `a_row` bytes, by tiles of B; those right of the first
   column of tiles follow it after `b_next` words, those of the next depth after `b_deep`. C is float32 in rows of `c_row`. */
typedef void Products(const void *a, int64_t a_row, const uint32_t *b, int64_t b_next, int64_t b_deep, int64_t depth, float *c,
                      int64_t c_row);

/* In vectors: 8 rows by 32 columns at a time, as many sums as registers hold beside what they are made of. */
static void in_vectors(const void *a, int64_t a_row, const uint32_t *b, int64_t b_next, int64_t b_deep, int64_t depth, float *c,
                       int64_t c_row) {
    enum { ROWS = 8 };
    for (int64_t row = 0; row < BLOCK; row += ROWS) {
        const char *at = (const char *)a + row * a_row;
        __m512 left[ROWS], right[ROWS];
        for (int r = 0; r < ROWS; r++) left[r] = right[r] = _mm512_setzero_ps();
        for (int64_t d = 0; d < depth; d++)
            for (int64_t pair = 0; pair < EDGE; pair++) {
                const uint32_t *tile = b + d * b_deep + pair * EDGE;
                const __m512bh l = (__m512bh)_mm512_loadu_si512(tile), r = (__m512bh)_mm512_loadu_si512(tile + b_next);
                for (int i = 0; i < ROWS; i++) {
                    int32_t both;
                    memcpy(&both, at + i * a_row + d * 64 + pair * 4, 4);
                    const __m512bh x = (__m512bh)_mm512_set1_epi32(both);
                    left[i] = _mm512_dpbf16_ps(left[i], x, l);
                    right[i] = _mm512_dpbf16_ps(right[i], x, r);
                }
            }
        for (int i = 0; i < ROWS; i++) {
            _mm512_storeu_ps(c + (row + i) * c_row, left[i]);
            _mm512_storeu_ps(c + (row + i) * c_row + EDGE, right[i]);
        }
    }
}

#if defined(__AMX_TILE__) && defined(__AMX_BF16__) && defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>

typedef struct {
    uint8_t palette, start, unused[14];
    uint16_t bytes[16];
    uint8_t rows[16];
} Config;

static void in_tiles(const void *a, int64_t a_row, const uint32_t *b, int64_t b_next, int64_t b_deep, int64_t depth, float *c,
                     int64_t c_row) {
    _tile_zero(0); _tile_zero(1); _tile_zero(2); _tile_zero(3);
    for (int64_t d = 0; d < depth; d++) {
        const char *at = (const char *)a + d * 64;
        _tile_loadd(4, at, a_row);
        _tile_loadd(5, at + EDGE * a_row, a_row);
        _tile_loadd(6, b + d * b_deep, 64);
        _tile_loadd(7, b + d * b_deep + b_next, 64);
        _tile_dpbf16ps(0, 4, 6); _tile_dpbf16ps(1, 4, 7); _tile_dpbf16ps(2, 5, 6); _tile_dpbf16ps(3, 5, 7);
    }
    _tile_stored(0, c, c_row * 4); _tile_stored(1, c + EDGE, c_row * 4);
    _tile_stored(2, c + EDGE * c_row, c_row * 4); _tile_stored(3, c + EDGE * c_row + EDGE, c_row * 4);
}

/* Linux wants to be asked for the units. */
static Products *best(void) {
    const int request = 0x1023, tile_data = 18;
    return syscall(SYS_arch_prctl, request, tile_data) == 0 ? in_tiles : in_vectors;
}

static void tiles_free(Products *products) { if (products == in_tiles) _tile_release(); }
static void tiles_ready(Products *products) {
    const Config config = {1, 0, {0}, {64, 64, 64, 64, 64, 64, 64, 64}, {16, 16, 16, 16, 16, 16, 16, 16}};
    if (products == in_tiles) _tile_loadconfig(&config);
}
#else
static Products *best(void) { return in_vectors; }
static void tiles_ready(Products *products) { (void)products; }
static void tiles_free(Products *products) { (void)products; }
#endif

/* Whether heads of n numbers are done. */
int64_t attends(int64_t n) { return n % 32 == 0 && n <= MOST; }

static int64_t padded(int64_t length) { return (length + BLOCK - 1) / BLOCK * BLOCK; }

/* Numbers from one row of scores to the next: with a power of two between them, rows would push each other out of the cache. */
static int64_t apart(int64_t all) { return all + BLOCK; }

/* Room for `bytes` that stays this thread's own, so that it is touched first only once. None if memory ends. */
static char *scratch(int64_t bytes) {
    static _Thread_local char *kept;
    static _Thread_local int64_t size;
    if (bytes > size) {
        free(kept);
        size = (bytes + 4095) / 4096 * 4096;
        kept = aligned_alloc(64, size);
        if (!kept) size = 0;
    }
    return kept;
}

/* 16 keys of n numbers, key by key, to tiles of 16 pairs of features by 16 keys. */
static void turn_keys(const bf16 *k, int64_t row, int64_t keys, int64_t n, uint32_t *out) {
    for (int64_t key = 0; key < EDGE; key++)
        for (int64_t pair = 0; pair < n / 2; pair++) {
            uint32_t both = 0;
            if (key < keys) memcpy(&both, k + key * row + 2 * pair, 4);
            out[pair * EDGE + key] = both;
        }
}

/* 32 values of n numbers to tiles of 16 pairs of positions by 16 features, tile after tile along the features. */
static void pair_values(const bf16 *v, int64_t row, int64_t keys, int64_t n, uint32_t *out) {
    static const bf16 nothing[MOST];
    for (int64_t pair = 0; pair < EDGE; pair++) {
        const bf16 *a = 2 * pair < keys ? v + 2 * pair * row : nothing;
        const bf16 *b = 2 * pair + 1 < keys ? v + (2 * pair + 1) * row : nothing;
        for (int64_t i = 0; i < n; i += EDGE)
            for (int64_t j = 0; j < EDGE; j++) out[i * EDGE + pair * EDGE + j] = a[i + j] | (uint32_t)b[i + j] << 16;
    }
}

/* 2^x for 16 numbers: the whole part by the exponent, the rest, at most a half, by its Taylor series to 4e-6 of the value. */
static inline __m512 power(__m512 x) {
    const __m512 whole = _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC), f = _mm512_sub_ps(x, whole);
    __m512 y = _mm512_set1_ps(1.3333558e-3f);
    y = _mm512_fmadd_ps(y, f, _mm512_set1_ps(9.6181291e-3f));
    y = _mm512_fmadd_ps(y, f, _mm512_set1_ps(5.5504109e-2f));
    y = _mm512_fmadd_ps(y, f, _mm512_set1_ps(2.4022651e-1f));
    y = _mm512_fmadd_ps(y, f, _mm512_set1_ps(6.9314718e-1f));
    return _mm512_scalef_ps(_mm512_fmadd_ps(y, f, _mm512_set1_ps(1.0f)), whole);
}

/* exp(scores - the largest) of the first `seen` keys as bf16, nothing for the others; returns one over the sum. Scores are
   multiplied by `scale` and the logarithm's base first. */
static float weigh(const float *scores, bf16 *weights, int64_t seen, int64_t all, float scale) {
    const int64_t full = seen / EDGE * EDGE;
    const __mmask16 rest = (__mmask16)((1u << (seen - full)) - 1);
    const __m512 low = _mm512_set1_ps(-3.0e38f), factor = _mm512_set1_ps(scale * 1.44269504f);
    __m512 most = low, sum = _mm512_setzero_ps();
    for (int64_t t = 0; t < full; t += EDGE) most = _mm512_max_ps(most, _mm512_loadu_ps(scores + t));
    most = _mm512_max_ps(most, _mm512_mask_loadu_ps(low, rest, scores + full));
    const __m512 offset = _mm512_mul_ps(_mm512_set1_ps(_mm512_reduce_max_ps(most)), factor);
    for (int64_t t = 0; t < full; t += EDGE) {
        const __m512 weight = power(_mm512_fmsub_ps(_mm512_loadu_ps(scores + t), factor, offset));
        sum = _mm512_add_ps(sum, weight);
        _mm256_storeu_si256((__m256i *)(weights + t), (__m256i)_mm512_cvtneps_pbh(weight));
    }
    memset(weights + full, 0, (all - full) * sizeof(bf16));
    if (rest) {
        const __m512 last = _mm512_maskz_loadu_ps(rest, scores + full);
        const __m512 weight = _mm512_maskz_mov_ps(rest, power(_mm512_fmsub_ps(last, factor, offset)));
        sum = _mm512_add_ps(sum, weight);
        _mm256_storeu_si256((__m256i *)(weights + full), (__m256i)_mm512_cvtneps_pbh(weight));
    }
    return 1.0f / _mm512_reduce_add_ps(sum);
}

/* Hides the scores of keys that a query does not see. */
static void hide(float *scores, const uint8_t *sees, int64_t keys) {
    for (int64_t t = 0; t < keys; t += EDGE) {
        const __mmask16 rest = keys - t < EDGE ? (__mmask16)((1u << (keys - t)) - 1) : (__mmask16)0xffff;
        const __mmask16 hidden = (__mmask16)_mm_testn_epi8_mask(_mm_maskz_loadu_epi8(rest, sees + t), _mm_set1_epi8(1)) & rest;
        _mm512_mask_storeu_ps(scores + t, hidden, _mm512_set1_ps(-3.0e38f));
    }
}

/* One row of the batch: its queries, what each of them sees, and where what they find goes. */
typedef struct {
    const bf16 *q;
    const uint8_t *sees;
    bf16 *out;
} Row;

/* What all rows share: `before` keys come before the first query's own, queries are `q_step` numbers apart, scores `line`. */
typedef struct {
    int64_t queries, keys, before, heads, n, q_step, line;
} Sizes;

/* 32 queries of one head from `first` on, which see keys before `end` alone. */
static void attend_block(Products *products, const Sizes *is, const Row *row, int64_t h, const uint32_t *keys,
                         const uint32_t *values, int64_t first, int64_t end, char *own) {
    const int64_t n = is->n, line = is->line, out_step = is->heads * n;
    float *scores = (float *)own, *mixed = scores + BLOCK * line, scale = 1.0f / sqrtf((float)n), share[BLOCK];
    bf16 *weights = (bf16 *)(mixed + BLOCK * n), *asked = weights + BLOCK * line;
    const int64_t real = is->queries - first < BLOCK ? is->queries - first : BLOCK, all = padded(end);
    memset(asked, 0, BLOCK * n * sizeof(bf16));
    for (int64_t i = 0; i < real; i++) memcpy(asked + i * n, row->q + h * n + (first + i) * is->q_step, n * sizeof(bf16));
    for (int64_t t = 0; t < all; t += BLOCK)
        products(asked, n * 2, keys + t * n / 2, EDGE * n / 2, TILE, n / 32, scores + t, line);
    for (int64_t i = 0; i < BLOCK; i++) {
        int64_t seen = 1;
        if (i < real && row->sees) {
            seen = end;
            hide(scores + i * line, row->sees + (first + i) * is->keys, end);
        } else if (i < real)
            seen = is->before + first + i + 1;
        share[i] = weigh(scores + i * line, weights + i * line, seen, all, scale);
    }
    for (int64_t i = 0; i < n; i += BLOCK)
        products(weights, line * 2, values + i / EDGE * TILE, TILE, n / EDGE * TILE, all / BLOCK, mixed + i, n);
    for (int64_t i = 0; i < real; i++)
        for (int64_t j = 0; j < n; j += EDGE) {
            const __m512 value = _mm512_mul_ps(_mm512_loadu_ps(mixed + i * n + j), _mm512_set1_ps(share[i]));
            _mm256_storeu_si256((__m256i *)(row->out + h * n + (first + i) * out_step + j), (__m256i)_mm512_cvtneps_pbh(value));
        }
}

/* One more than the last key that any of 32 queries from `first` on sees. */
static int64_t last_seen(const Sizes *is, const Row *row, int64_t first) {
    const int64_t until = first + BLOCK < is->queries ? first + BLOCK : is->queries;
    if (!row->sees) return is->before + until;
    int64_t end = 1;
    for (int64_t i = first; i < until; i++)
        for (int64_t t = is->keys; t > end; t--)
            if (row->sees[i * is->keys + t - 1]) end = t;
    return end;
}

enum { AT_ONCE = 8 << 20 };
/* Bytes of keys and values that are turned before they are used. */

/* `out` [batch, queries, heads, n] from queries that are `q_step` numbers apart, and keys and values [kv_heads, keys, n] of
   each row whose heads are `k_head` and whose places are `k_step` apart; rows are `q_row` and `k_row` apart, those of `sees`
   [queries, keys] `sees_row` bytes. Without `sees`, no query sees what is later. n is a multiple of 32 up to 256. Returns 0 if
   memory ends. */
int64_t attend(const bf16 *q, const bf16 *k, const bf16 *v, const uint8_t *sees, bf16 *out, int64_t batch, int64_t queries,
               int64_t keys, int64_t heads, int64_t kv_heads, int64_t n, int64_t q_row, int64_t q_step, int64_t k_row,
               int64_t k_head, int64_t k_step, int64_t sees_row, int64_t threads) {
    const int64_t all = padded(keys), head = all * n / 2, line = apart(all), each = BLOCK * (line * 6 + n * 6);
    const int64_t many = padded(queries) / BLOCK, whole = kv_heads * head * 8;
    const int64_t fit = whole < AT_ONCE ? AT_ONCE / whole : 1, rows = fit < batch ? fit : batch;
    const Sizes is = {queries, keys, keys - queries, heads, n, q_step, line};
    uint32_t *turned = (uint32_t *)scratch(rows * whole + threads * each + rows * many * sizeof(int64_t));
    if (!turned) return 0;
    uint32_t *values = turned + rows * kv_heads * head;
    char *own = (char *)(values + rows * kv_heads * head);
    int64_t *ends = (int64_t *)(own + threads * each);
    Products *products = best();
#pragma omp parallel num_threads(threads)
    {
        tiles_ready(products);
        for (int64_t start = 0; start < batch; start += rows) {
            const int64_t count = batch - start < rows ? batch - start : rows;
#pragma omp for collapse(2) nowait
            for (int64_t r = 0; r < count; r++)
                for (int64_t b = 0; b < many; b++) {
                    const Row row = {.sees = sees ? sees + (start + r) * sees_row : 0};
                    ends[r * many + b] = last_seen(&is, &row, b * BLOCK);
                }
#pragma omp for collapse(3)
            for (int64_t r = 0; r < count; r++)
                for (int64_t g = 0; g < kv_heads; g++)
                    for (int64_t t = 0; t < all; t += BLOCK) {
                        const int64_t from = (start + r) * k_row + g * k_head + t * k_step, to = (r * kv_heads + g) * head + t * n / 2;
                        turn_keys(k + from, k_step, keys - t, n, turned + to);
                        turn_keys(k + from + EDGE * k_step, k_step, keys - t - EDGE, n, turned + to + EDGE * n / 2);
                        pair_values(v + from, k_step, keys - t, n, values + to);
                    }
            /* The last queries see most keys and are the longest work, so they go first. */
#pragma omp for collapse(3) schedule(dynamic)
            for (int64_t b = many - 1; b >= 0; b--)
                for (int64_t r = 0; r < count; r++)
                    for (int64_t h = 0; h < heads; h++) {
                        const int64_t at = start + r, kept = (r * kv_heads + h / (heads / kv_heads)) * head;
                        const Row row = {.q = q + at * q_row, .sees = sees ? sees + at * sees_row : 0, .out = out + at * queries * heads * n};
                        attend_block(products, &is, &row, h, turned + kept, values + kept, b * BLOCK, ends[r * many + b],
                                     own + omp_get_thread_num() * each);
                    }
        }
        tiles_free(products);
    }
    return 1;
}
#else
int64_t attends(int64_t n) { return 0 * n; }
/* Never called where `attends` says no; it is here so that every machine's program has the same functions. */
int64_t attend() { return 0; }
#endif
