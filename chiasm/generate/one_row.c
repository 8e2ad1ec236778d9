/* One new token of one row through all blocks of a Llama-like decoder, in bf16, by one team of threads.

   Every number is rounded to bf16 where the modules round it: after each product, norm, turn, activation and sum. What is
   saved is the launching of some twenty kernels a block: the weights then come as fast as the memory gives them. */

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
    if ((bits & 0x7fffffffu) > 0x7f800000u) return (bf16)((bits >> 16) | 0x40);
    return (bf16)((bits + 0x7fffu + ((bits >> 16) & 1)) >> 16);
}

static inline float rounded(float v) { return wide(narrow(v)); }

static float dot(const bf16 *w, const float *x, int64_t n) {
    float sum = 0;
    for (int64_t i = 0; i < n; i++) sum += wide(w[i]) * x[i];
    return sum;
}

/* The rows from `first` to `last` of W x, four at a time so that sums do not wait for one another. */
static void product(const bf16 *w, const bf16 *bias, const float *x, float *y, int64_t first, int64_t last, int64_t n) {
    int64_t row = first;
    for (; row + 4 <= last; row += 4) {
        const bf16 *a = w + row * n, *b = a + n, *c = b + n, *d = c + n;
        float s = 0, t = 0, u = 0, v = 0;
        for (int64_t i = 0; i < n; i++) {
            s += wide(a[i]) * x[i];
            t += wide(b[i]) * x[i];
            u += wide(c[i]) * x[i];
            v += wide(d[i]) * x[i];
        }
        y[row] = s, y[row + 1] = t, y[row + 2] = u, y[row + 3] = v;
    }
    for (; row < last; row++) y[row] = dot(w + row * n, x, n);
    for (row = first; row < last; row++) y[row] = rounded(bias ? y[row] + wide(bias[row]) : y[row]);
}

static void rms_norm(const float *x, const bf16 *weight, float eps, float *y, int64_t n) {
    float square = 0;
    for (int64_t i = 0; i < n; i++) square += x[i] * x[i];
    float scale = 1.0f / sqrtf(square / n + eps);
    for (int64_t i = 0; i < n; i++) y[i] = rounded(rounded(x[i] * scale) * wide(weight[i]));
}

static void turn(float *x, const float *cos, const float *sin, int64_t n) {
    float turned[n];
    for (int64_t i = 0; i < n; i++) turned[i] = rounded(rounded(x[i] * cos[i]) + x[(i + n / 2) % n] * sin[i]);
    memcpy(x, turned, n * sizeof(float));
}

static void attend(const float *q, const bf16 *keys, const bf16 *values, float *scores, float *y, int64_t length, int64_t n) {
    float most = -3.0e38f, sum = 0, scale = 1.0f / sqrtf((float)n);
    for (int64_t t = 0; t < length; t++) {
        scores[t] = dot(keys + t * n, q, n) * scale;
        most = scores[t] > most ? scores[t] : most;
    }
    for (int64_t t = 0; t < length; t++) sum += scores[t] = expf(scores[t] - most);
    memset(y, 0, n * sizeof(float));
    for (int64_t t = 0; t < length; t++)
        for (int64_t i = 0; i < n; i++) y[i] += scores[t] * wide(values[t * n + i]);
    for (int64_t i = 0; i < n; i++) y[i] = rounded(y[i] / sum);
}

/* This thread's share of `count` rows. */
static void share(int64_t count, int64_t *first, int64_t *last) {
    int64_t each = (count + omp_get_num_threads() - 1) / omp_get_num_threads();
    each = (each + 3) / 4 * 4;
    *first = each * omp_get_thread_num() < count ? each * omp_get_thread_num() : count;
    *last = *first + each < count ? *first + each : count;
}

/* `hidden` [width] is read and overwritten. Keys and values [layers, kv_heads, room, head_width] hold length - 1 positions and
   get one more. `scratch` has 2 width + (heads + 2 kv_heads) head_width + hidden floats, then width + length for each thread. */
void one_row(const Sizes *sizes, const Layer *layers, bf16 *hidden, const float *cos, const float *sin, bf16 *keys,
             bf16 *values, int64_t room, int64_t length, float *scratch) {
    const int64_t width = sizes->width, n = sizes->head_width, heads = sizes->heads, shared = sizes->kv_heads;
    float *x = scratch, *q = x + width, *k = q + heads * n, *v = k + shared * n, *mixed = v + shared * n;
    float *inner = mixed + heads * n, *own = inner + sizes->hidden;
    for (int64_t i = 0; i < width; i++) x[i] = wide(hidden[i]);
#pragma omp parallel num_threads(sizes->threads)
    {
        float *normed = own + omp_get_thread_num() * (width + length), *scores = normed + width;
        int64_t first, last;
        for (int64_t l = 0; l < sizes->layers; l++) {
            const Layer *layer = layers + l;
            bf16 *layer_keys = keys + l * shared * room * n, *layer_values = values + l * shared * room * n;
            rms_norm(x, layer->norm1, sizes->eps, normed, width);
            share(heads * n, &first, &last);
            product(layer->q, layer->q_bias, normed, q, first, last, width);
            share(shared * n, &first, &last);
            product(layer->k, layer->k_bias, normed, k, first, last, width);
            product(layer->v, layer->v_bias, normed, v, first, last, width);
#pragma omp barrier
#pragma omp for
            for (int64_t h = 0; h < shared; h++) {
                turn(k + h * n, cos, sin, n);
                for (int64_t i = 0; i < n; i++) {
                    layer_keys[(h * room + length - 1) * n + i] = narrow(k[h * n + i]);
                    layer_values[(h * room + length - 1) * n + i] = narrow(v[h * n + i]);
                }
            }
#pragma omp for
            for (int64_t h = 0; h < heads; h++) {
                const int64_t at = h / (heads / shared) * room * n;
                turn(q + h * n, cos, sin, n);
                attend(q + h * n, layer_keys + at, layer_values + at, scores, mixed + h * n, length, n);
            }
            share(width, &first, &last);
            product(layer->out, layer->out_bias, mixed, normed, first, last, heads * n);
            for (int64_t i = first; i < last; i++) x[i] = rounded(x[i] + normed[i]);
#pragma omp barrier
            rms_norm(x, layer->norm2, sizes->eps, normed, width);
            share(sizes->hidden, &first, &last);
            product(layer->gate, 0, normed, inner, first, last, width);
            for (int64_t i = first; i < last; i++) inner[i] = rounded(inner[i] / (1.0f + expf(-inner[i])));
            {
                float ups[256];
                for (int64_t i = first; i < last; i += 256) {
                    const int64_t end = i + 256 < last ? i + 256 : last;
                    product(layer->up + i * width, 0, normed, ups, 0, end - i, width);
                    for (int64_t j = i; j < end; j++) inner[j] = rounded(inner[j] * ups[j - i]);
                }
            }
#pragma omp barrier
            share(width, &first, &last);
            product(layer->down, 0, inner, normed, first, last, sizes->hidden);
            for (int64_t i = first; i < last; i++) x[i] = rounded(x[i] + normed[i]);
#pragma omp barrier
        }
    }
    for (int64_t i = 0; i < width; i++) hidden[i] = narrow(x[i]);
}
