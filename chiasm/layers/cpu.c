/* What torch has no quick kernel for on a CPU: norms and turns of rows; and `one_row`, a new token of one row through all
   blocks of a Llama-like decoder by one team of threads. Attention of whole prompts is in `attend.c`.

   Everything is bf16 and is rounded where the modules round it: after each product, norm, turn, activation and sum.
   `one_row` saves the launching of some twenty kernels a block: the weights then come as fast as the memory gives them. */

#include <math.h>
#include <omp.h>
#include <stdint.h>
#include <string.h>

typedef uint16_t bf16;

typedef struct {
    const bf16 *norm1, *q, *k, *v, *q_bias, *k_bias, *v_bias, *out, *out_bias, *norm2, *gate, *up, *down;
} Layer;

typedef struct {
    int64_t layers, width, heads, kv_heads, head_width, hidden, threads;
    float eps;
} Sizes;

static inline float wide(bf16 v) {
    uint32_t bits = (uint32_t)v << 16;
    float out;
    memcpy(&out, &bits, 4);
    return out;
}

static inline bf16 narrow(float v) { /* to nearest, ties to even; NaN stays NaN */
    uint32_t bits;
    memcpy(&bits, &v, 4);
    const uint32_t nearest = (bits + 0x7fffu + ((bits >> 16) & 1)) >> 16, quiet = (bits >> 16) | 0x40;
    return (bf16)((bits & 0x7fffffffu) > 0x7f800000u ? quiet : nearest);
}

static inline float rounded(float v) { return wide(narrow(v)); }

#ifdef __AVX512BF16__
#include <immintrin.h>

static inline __m512bh pairs(const bf16 *at) { return (__m512bh)_mm512_loadu_si512(at); }

static inline __m512 wide16(const bf16 *at) {
    return (__m512)_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)at)), 16);
}

static inline __m256i narrow16(__m512 v) { return (__m256i)_mm512_cvtneps_pbh(v); }

static inline __m512 rounded16(__m512 v) { return (__m512)_mm512_slli_epi32(_mm512_cvtepu16_epi32(narrow16(v)), 16); }
#endif

static float dot(const bf16 *w, const bf16 *x, int64_t n) {
    float sum = 0;
    for (int64_t i = 0; i < n; i++) sum += wide(w[i]) * wide(x[i]);
    return sum;
}

#ifdef __AVX512BF16__
/* Four rows at once: x is read once for all of them, and their sums are added up together, which for rows of a few hundred
   numbers takes as long as the products. */
static __m128 dots(const bf16 *w, const bf16 *x, int64_t n) {
    __m512 a = _mm512_setzero_ps(), b = a, c = a, d = a;
    int64_t i = 0;
    for (; i + 32 <= n; i += 32) {
        const __m512bh p = pairs(x + i);
        for (int64_t row = 4; row < 8; row++) _mm_prefetch((const char *)(w + row * n + i), _MM_HINT_T0);
        a = _mm512_dpbf16_ps(a, pairs(w + i), p);
        b = _mm512_dpbf16_ps(b, pairs(w + n + i), p);
        c = _mm512_dpbf16_ps(c, pairs(w + 2 * n + i), p);
        d = _mm512_dpbf16_ps(d, pairs(w + 3 * n + i), p);
    }
    const __m512 ab = _mm512_add_ps(_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b));
    const __m512 cd = _mm512_add_ps(_mm512_unpacklo_ps(c, d), _mm512_unpackhi_ps(c, d));
    const __m512d low = _mm512_unpacklo_pd((__m512d)ab, (__m512d)cd), high = _mm512_unpackhi_pd((__m512d)ab, (__m512d)cd);
    const __m512 all = _mm512_add_ps((__m512)low, (__m512)high);
    const __m256 half = _mm256_add_ps(_mm512_castps512_ps256(all), _mm512_extractf32x8_ps(all, 1));
    const __m128 sums = _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
    if (i == n) return sums;
    return _mm_add_ps(sums, _mm_setr_ps(dot(w + i, x + i, n - i), dot(w + n + i, x + i, n - i),
                                        dot(w + 2 * n + i, x + i, n - i), dot(w + 3 * n + i, x + i, n - i)));
}
#endif

/* W x for `rows` rows of n numbers. */
static void rows_by(const bf16 *w, const bf16 *x, float *y, int64_t rows, int64_t n) {
    int64_t row = 0;
#ifdef __AVX512BF16__
    for (; row + 4 <= rows; row += 4) _mm_storeu_ps(y + row, dots(w + row * n, x, n));
#endif
    for (; row < rows; row++) y[row] = dot(w + row * n, x, n);
}

/* The rows from `first` to `last` of W x + bias, rounded; y[0] is the first of them. */
static void product(const bf16 *w, const bf16 *bias, const bf16 *x, float *y, int64_t first, int64_t last, int64_t n) {
    rows_by(w + first * n, x, y, last - first, n);
    for (int64_t row = first; row < last; row++)
        y[row - first] = rounded(bias ? y[row - first] + wide(bias[row]) : y[row - first]);
}

static void rms_norm(const float *x, const bf16 *weight, float eps, bf16 *y, int64_t n) {
    float square = 0;
    for (int64_t i = 0; i < n; i++) square += x[i] * x[i];
    const float scale = 1.0f / sqrtf(square / n + eps);
    int64_t i = 0;
#ifdef __AVX512BF16__
    const __m512 scales = _mm512_set1_ps(scale);
    for (; i + 16 <= n; i += 16) {
        const __m512 even = rounded16(_mm512_mul_ps(_mm512_loadu_ps(x + i), scales));
        _mm256_storeu_si256((__m256i *)(y + i), narrow16(_mm512_mul_ps(even, wide16(weight + i))));
    }
#endif
    for (; i < n; i++) y[i] = narrow(rounded(x[i] * scale) * wide(weight[i]));
}

static void turn(const float *x, const float *cos, const float *sin, bf16 *y, int64_t n) {
    const int64_t half = n / 2;
#ifdef __AVX512BF16__
    if (half % 16 == 0) {
        for (int64_t i = 0; i < n; i += 16) {
            const __m512 other = _mm512_loadu_ps(x + (i < half ? i + half : i - half));
            const __m512 kept = rounded16(_mm512_mul_ps(_mm512_loadu_ps(x + i), _mm512_loadu_ps(cos + i)));
            _mm256_storeu_si256((__m256i *)(y + i), narrow16(_mm512_fmadd_ps(other, _mm512_loadu_ps(sin + i), kept)));
        }
        return;
    }
#endif
    for (int64_t i = 0; i < half; i++) y[i] = narrow(rounded(x[i] * cos[i]) + x[i + half] * sin[i]);
    for (int64_t i = half; i < n; i++) y[i] = narrow(rounded(x[i] * cos[i]) + x[i - half] * sin[i]);
}

static inline float silu(float x) { return rounded(x / (1.0f + expf(-x))); }

/* y = x / rms(x) * weight, row by row. */
void rms_norm_rows(const bf16 *x, const bf16 *weight, bf16 *y, int64_t rows, int64_t width, float eps, int64_t threads) {
#pragma omp parallel for num_threads(threads) if (rows > 8)
    for (int64_t row = 0; row < rows; row++) {
        float wider[width];
        for (int64_t i = 0; i < width; i++) wider[i] = wide(x[row * width + i]);
        rms_norm(wider, weight, eps, y + row * width, width);
    }
}

/* Turns the first `count` of `heads` heads of n numbers in each row, in place; cos and sin [rows, n]. */
void turn_rows(bf16 *x, const bf16 *cos, const bf16 *sin, int64_t rows, int64_t heads, int64_t count, int64_t n,
               int64_t threads) {
#pragma omp parallel for num_threads(threads) if (rows > 8)
    for (int64_t row = 0; row < rows; row++) {
        float wider[n], cosines[n], sines[n];
        for (int64_t i = 0; i < n; i++) cosines[i] = wide(cos[row * n + i]), sines[i] = wide(sin[row * n + i]);
        for (int64_t h = 0; h < count; h++) {
            bf16 *head = x + (row * heads + h) * n;
            for (int64_t i = 0; i < n; i++) wider[i] = wide(head[i]);
            turn(wider, cosines, sines, head, n);
        }
    }
}

/* One head: `mixed` [n] from its query and `length` keys and values; `scores` has room for them. */
static void attend(const bf16 *q, const bf16 *keys, const bf16 *values, float *scores, bf16 *mixed, int64_t length, int64_t n) {
    float most = -3.0e38f, sum = 0, y[n];
    const float scale = 1.0f / sqrtf((float)n);
    rows_by(keys, q, scores, length, n);
    for (int64_t t = 0; t < length; t++) {
        scores[t] *= scale;
        most = scores[t] > most ? scores[t] : most;
    }
    for (int64_t t = 0; t < length; t++) sum += scores[t] = expf(scores[t] - most);
    memset(y, 0, sizeof(y));
    for (int64_t t = 0; t < length; t++)
        for (int64_t i = 0; i < n; i++) y[i] += scores[t] * wide(values[t * n + i]);
    for (int64_t i = 0; i < n; i++) mixed[i] = narrow(y[i] / sum);
}

/* This thread's share of `count` rows. */
static void share(int64_t count, int64_t *first, int64_t *last) {
    const int64_t team = omp_get_num_threads(), me = omp_get_thread_num();
    *first = count * me / team;
    *last = count * (me + 1) / team;
}

/* W x for `rows` rows of n numbers: the scores of a whole vocabulary. */
void matrix_vector(const bf16 *w, const bf16 *x, bf16 *y, int64_t rows, int64_t n, int64_t threads) {
    enum { PART = 256 };
#pragma omp parallel for num_threads(threads)
    for (int64_t first = 0; first < rows; first += PART) {
        float sums[PART];
        const int64_t count = rows - first < PART ? rows - first : PART;
        rows_by(w + first * n, x, sums, count, n);
        for (int64_t row = 0; row < count; row++) y[first + row] = narrow(sums[row]);
    }
}

/* `hidden` [width] is read and overwritten. Keys and values [layers, kv_heads, room, head_width] hold length - 1 positions
   and get one more. `floats` has room for width + (heads + 2 kv_heads) head_width, then max(width, length) + 512 a thread;
   `halves` for 2 heads head_width + hidden, then width a thread. */
void one_row(const Sizes *sizes, const Layer *layers, bf16 *hidden, const float *cos, const float *sin, bf16 *keys,
             bf16 *values, int64_t room, int64_t length, float *floats, bf16 *halves) {
    const int64_t width = sizes->width, n = sizes->head_width, heads = sizes->heads, shared = sizes->kv_heads;
    const int64_t longest = width > length ? width : length;
    float *x = floats, *q = x + width, *k = q + heads * n, *v = k + shared * n;
    bf16 *turned = halves, *mixed = turned + heads * n, *inner = mixed + heads * n;
    for (int64_t i = 0; i < width; i++) x[i] = wide(hidden[i]);
#pragma omp parallel num_threads(sizes->threads)
    {
        const int64_t me = omp_get_thread_num();
        float *own = v + shared * n + me * (longest + 512), *gates = own + longest, *ups = gates + 256;
        bf16 *normed = inner + sizes->hidden + me * width;
        int64_t first, last;
        for (int64_t l = 0; l < sizes->layers; l++) {
            const Layer *layer = layers + l;
            bf16 *layer_keys = keys + l * shared * room * n, *layer_values = values + l * shared * room * n;
            rms_norm(x, layer->norm1, sizes->eps, normed, width);
            share(heads * n, &first, &last);
            product(layer->q, layer->q_bias, normed, q + first, first, last, width);
            share(shared * n, &first, &last);
            product(layer->k, layer->k_bias, normed, k + first, first, last, width);
            product(layer->v, layer->v_bias, normed, v + first, first, last, width);
#pragma omp barrier
#pragma omp for
            for (int64_t h = 0; h < shared; h++) {
                turn(k + h * n, cos, sin, layer_keys + (h * room + length - 1) * n, n);
                for (int64_t i = 0; i < n; i++) layer_values[(h * room + length - 1) * n + i] = narrow(v[h * n + i]);
            }
#pragma omp for
            for (int64_t h = 0; h < heads; h++) {
                const int64_t at = h / (heads / shared) * room * n;
                turn(q + h * n, cos, sin, turned + h * n, n);
                attend(turned + h * n, layer_keys + at, layer_values + at, own, mixed + h * n, length, n);
            }
            share(width, &first, &last);
            product(layer->out, layer->out_bias, mixed, own, first, last, heads * n);
            for (int64_t i = first; i < last; i++) x[i] = rounded(x[i] + own[i - first]);
#pragma omp barrier
            rms_norm(x, layer->norm2, sizes->eps, normed, width);
            share(sizes->hidden, &first, &last);
            for (int64_t i = first; i < last; i += 256) {
                const int64_t end = i + 256 < last ? i + 256 : last;
                product(layer->gate, 0, normed, gates, i, end, width);
                product(layer->up, 0, normed, ups, i, end, width);
                for (int64_t j = 0; j < end - i; j++)
                    inner[i + j] = narrow(silu(gates[j]) * ups[j]);
            }
#pragma omp barrier
            share(width, &first, &last);
            product(layer->down, 0, inner, own, first, last, sizes->hidden);
            for (int64_t i = first; i < last; i++) x[i] = rounded(x[i] + own[i - first]);
#pragma omp barrier
        }
    }
    for (int64_t i = 0; i < width; i++) hidden[i] = narrow(x[i]);
}
