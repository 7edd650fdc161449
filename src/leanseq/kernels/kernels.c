/* Fused passes over activations [n, length, channels], float32, for training and prediction on a processor.

   Notation: h goes into a batch norm, z = h * scale + shift comes out of it, y = silu(z) = z * sigmoid(z).
   y and z are never stored for the backward pass: computing them again is cheaper than reading them from memory.
   Every thread takes a contiguous range of sequences, and sums of threads are added in their order, so that the
   same number of threads gives the same bits. */

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#ifdef _OPENMP
#include <omp.h>
#define THREAD omp_get_thread_num()
#define THREADS omp_get_num_threads()
#else
#define THREAD 0
#define THREADS 1
#endif

typedef int64_t i64;
#define PARALLEL _Pragma("omp parallel num_threads((int)threads)")
#define MY_SEQUENCES(s) for (i64 s = n * THREAD / THREADS, last = n * (THREAD + 1) / THREADS; s < last; s++)
#define ROWS(row) for (i64 l = 0, row = 0; l < length; l++, row += channels)

/* exp to 1.5 units in the last place; written without branches so that the compiler makes vectors of it */
static inline float exponential(float x) {
    x = x < -80.0f ? -80.0f : (x > 80.0f ? 80.0f : x);
    float shifted = x * 1.44269504f + 12582912.0f; /* adding 1.5 * 2^23 rounds to a whole number */
    float whole = shifted - 12582912.0f;
    float r = (x - whole * 0.693359375f) + whole * 2.12194440e-4f;
    float p = 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * r * r + r + 1.0f;
    int32_t bits = ((int32_t)whole + 127) << 23;
    float power;
    memcpy(&power, &bits, sizeof power);
    return p * power;
}

static inline float sigmoid(float z) { return 1.0f / (1.0f + exponential(-z)); }

static float *make(i64 numbers) {
    void *p = aligned_alloc(64, (size_t)((numbers * 4 + 63) / 64 * 64));
    return memset(p, 0, (size_t)numbers * 4);
}

static void clear(float *x, i64 numbers) { memset(x, 0, (size_t)numbers * 4); }

/* Sums over all sequences, one part for each thread. */
static double *make_sums(i64 threads, i64 numbers) { return calloc((size_t)(threads * numbers), sizeof(double)); }

static void add(double *sums, const float *more, i64 numbers) {
    for (i64 i = 0; i < numbers; i++) sums[i] += more[i];
}

static void add_sums(const double *parts, i64 threads, i64 numbers, float *out) {
    for (i64 i = 0; i < numbers; i++) {
        double sum = 0;
        for (i64 thread = 0; thread < threads; thread++) sum += parts[thread * numbers + i];
        out[i] = (float)sum;
    }
}

/* What is done to the channels of one row. Functions of their own, because compilers make vectors of such loops more
   reliably than of loops within parallel regions. */
#define ROW static __attribute__((noinline)) void
#define CHANNELS(c) _Pragma("omp simd") for (i64 c = 0; c < channels; c++)

ROW silu(const float *restrict h, const float *restrict scale, const float *restrict shift, i64 channels,
         float *restrict y) {
    CHANNELS(c) {
        float z = h[c] * scale[c] + shift[c];
        y[c] = z * sigmoid(z);
    }
}

ROW silu_and_add(const float *restrict h, const float *restrict scale, const float *restrict shift, i64 channels,
                 float *restrict y, float *restrict sum) {
    CHANNELS(c) {
        float z = h[c] * scale[c] + shift[c], v = z * sigmoid(z);
        y[c] = v;
        sum[c] += v;
    }
}

ROW add_deviations(const float *restrict h, const float *restrict first, i64 channels, float *restrict sum,
                   float *restrict square) {
    CHANNELS(c) {
        float d = h[c] - first[c];
        sum[c] += d;
        square[c] += d * d;
    }
}

ROW through_silu(const float *restrict h, const float *restrict dy, const float *restrict scale,
                 const float *restrict shift, const float *restrict mean, i64 channels, float *restrict dz,
                 float *restrict sum, float *restrict moment) {
    CHANNELS(c) {
        float z = h[c] * scale[c] + shift[c], p = sigmoid(z), d = dy[c] * (p + z * p * (1.0f - p));
        dz[c] = d;
        sum[c] += d;
        moment[c] += d * (h[c] - mean[c]);
    }
}

ROW through_silu_gated(const float *restrict h, const float *restrict dy, const float *restrict gate,
                       const float *restrict extra, const float *restrict scale, const float *restrict shift,
                       const float *restrict mean, i64 channels, float *restrict dz, float *restrict sum,
                       float *restrict moment) {
    CHANNELS(c) {
        float z = h[c] * scale[c] + shift[c], p = sigmoid(z);
        float d = (dy[c] * gate[c] + extra[c]) * (p + z * p * (1.0f - p));
        dz[c] = d;
        sum[c] += d;
        moment[c] += d * (h[c] - mean[c]);
    }
}

ROW through_norm(float *restrict d, const float *restrict h, const float *restrict a, const float *restrict b,
                 const float *restrict e, const float *restrict mean, i64 channels) {
    CHANNELS(c) d[c] = a[c] * (d[c] - b[c]) + e[c] * (h[c] - mean[c]);
}

ROW multiply(float *restrict y, const float *restrict gate, i64 channels) { CHANNELS(c) y[c] *= gate[c]; }

ROW add_product(const float *restrict a, const float *restrict b, i64 channels, float *restrict sum) {
    CHANNELS(c) sum[c] += a[c] * b[c];
}

/* Several at once, so that what is shared is read once. */
#define AT_ONCE 4

ROW add_products(const float *restrict a, const float *const *b, i64 channels, float *restrict sum) {
    const float *restrict p = b[0], *restrict q = b[1], *restrict r = b[2], *restrict s = b[3];
    const float *restrict v = a + channels, *restrict w = v + channels, *restrict x = w + channels;
    CHANNELS(c) sum[c] += (a[c] * p[c] + v[c] * q[c]) + (w[c] * r[c] + x[c] * s[c]);
}

ROW add_products_of(const float *restrict a, const float *const *b, i64 channels, float *restrict sum) {
    const float *restrict p = b[0], *restrict q = b[1], *restrict r = b[2], *restrict s = b[3];
    float *restrict t = sum + channels, *restrict u = t + channels, *restrict v = u + channels;
    CHANNELS(c) {
        sum[c] += a[c] * p[c];
        t[c] += a[c] * q[c];
        u[c] += a[c] * r[c];
        v[c] += a[c] * s[c];
    }
}

/* Means and sums of squared deviations of one sequence, joined to those of the thread (Chan et al. 1979). `sum` and
   `square` are of the differences to `first`, one of the rows. */
static void join(double *means, double *squares, double count, const float *first, const float *sum, const float *square,
                 i64 channels, i64 length) {
    double rows = (double)length, total = count + rows;
    for (i64 c = 0; c < channels; c++) {
        double mean = sum[c] / rows, own = square[c] - sum[c] * mean, delta = first[c] + mean - means[c];
        means[c] += delta * rows / total;
        squares[c] += (own > 0 ? own : 0) + delta * delta * count * rows / total;
    }
}

/* The same for threads; writes mean and biased variance. */
static void join_threads(const double *means, const double *squares, i64 n, i64 length, i64 threads, i64 channels,
                         float *mean, float *var) {
    for (i64 c = 0; c < channels; c++) {
        double m = 0, square = 0, count = 0;
        for (i64 thread = 0; thread < threads; thread++) {
            double rows = (double)((n * (thread + 1) / threads - n * thread / threads) * length), total = count + rows;
            if (rows == 0) continue;
            double delta = means[thread * channels + c] - m;
            m += delta * rows / total;
            square += squares[thread * channels + c] + delta * delta * count * rows / total;
            count = total;
        }
        mean[c] = (float)m;
        var[c] = (float)(square / count);
    }
}

/* Mean and biased variance of every channel. */
void leanseq_statistics(const float *h, i64 n, i64 length, i64 channels, i64 threads, float *mean, float *var) {
    double *means = make_sums(threads, channels), *squares = make_sums(threads, channels);
    PARALLEL {
        float *sum = make(channels), *square = make(channels);
        double count = 0;
        MY_SEQUENCES(s) {
            const float *x = h + s * length * channels;
            clear(sum, channels);
            clear(square, channels);
            ROWS(row) add_deviations(x + row, x, channels, sum, square);
            join(means + THREAD * channels, squares + THREAD * channels, count, x, sum, square, channels, length);
            count += (double)length;
        }
        free(sum);
        free(square);
    }
    join_threads(means, squares, n, length, threads, channels, mean, var);
    free(means);
    free(squares);
}

/* y = silu(z), with its sums over the length [n, channels] if wanted. */
void leanseq_silu(const float *h, const float *scale, const float *shift, i64 n, i64 length, i64 channels, i64 threads,
                  float *y, float *sums) {
    PARALLEL MY_SEQUENCES(s) {
        const float *x = h + s * length * channels;
        float *to = y + s * length * channels, *sum = sums ? sums + s * channels : NULL;
        if (sum) {
            clear(sum, channels);
            ROWS(row) silu_and_add(x + row, scale, shift, channels, to + row, sum);
        } else
            ROWS(row) silu(x + row, scale, shift, channels, to + row);
    }
}

/* y = y * gate, in place; gate is [n, channels]. */
void leanseq_multiply(float *y, const float *gate, i64 n, i64 length, i64 channels, i64 threads) {
    PARALLEL MY_SEQUENCES(s) {
        float *x = y + s * length * channels;
        ROWS(row) multiply(x + row, gate + s * channels, channels);
    }
}

/* sums[s, c] = sum over the length of a * b. */
void leanseq_dot(const float *a, const float *b, i64 n, i64 length, i64 channels, i64 threads, float *sums) {
    PARALLEL MY_SEQUENCES(s) {
        const float *x = a + s * length * channels, *y = b + s * length * channels;
        clear(sums + s * channels, channels);
        ROWS(row) add_product(x + row, y + row, channels, sums + s * channels);
    }
}

/* dz = (dy * gate + extra) * silu'(z), with the sums of dz and of dz * (h - mean) over all rows; gate and extra are
   [n, channels], both or neither. */
void leanseq_silu_backward(const float *h, const float *dy, const float *scale, const float *shift, const float *mean,
                           const float *gate, const float *extra, i64 n, i64 length, i64 channels, i64 threads,
                           float *dz, float *sum, float *moment) {
    double *parts = make_sums(threads, channels), *moments = make_sums(threads, channels);
    PARALLEL {
        float *total = make(channels), *cross = make(channels);
        MY_SEQUENCES(s) {
            const float *x = h + s * length * channels, *from = dy + s * length * channels;
            const float *g = gate ? gate + s * channels : NULL, *e = gate ? extra + s * channels : NULL;
            float *to = dz + s * length * channels;
            clear(total, channels);
            clear(cross, channels);
            if (g)
                ROWS(row)
                through_silu_gated(x + row, from + row, g, e, scale, shift, mean, channels, to + row, total, cross);
            else
                ROWS(row) through_silu(x + row, from + row, scale, shift, mean, channels, to + row, total, cross);
            add(parts + THREAD * channels, total, channels);
            add(moments + THREAD * channels, cross, channels);
        }
        free(total);
        free(cross);
    }
    add_sums(parts, threads, channels, sum);
    add_sums(moments, threads, channels, moment);
    free(parts);
    free(moments);
}

/* d = a * (d - b) + e * (h - mean), in place: what batch norm adds to its backward pass. */
void leanseq_affine(float *d, const float *h, const float *a, const float *b, const float *e, const float *mean, i64 n,
                    i64 length, i64 channels, i64 threads) {
    PARALLEL MY_SEQUENCES(s) {
        float *x = d + s * length * channels;
        const float *y = h + s * length * channels;
        ROWS(row) through_norm(x + row, y + row, a, b, e, mean, channels);
    }
}

/* Rows that the taps of a depth-wise convolution meet at l; rows outside are zeros. */
static void meet(const float *x, const float *zeros, const i64 *offsets, i64 taps, i64 sign, i64 l, i64 length,
                 i64 channels, const float **rows) {
    for (i64 k = 0; k < taps; k++) {
        i64 at = l + sign * offsets[k];
        rows[k] = at >= 0 && at < length ? x + at * channels : zeros;
    }
}

/* out = sum over k of weight[k] * rows[k] */
static void convolve(const float *const *rows, const float *weight, i64 taps, i64 channels, float *out) {
    i64 k = 0;
    clear(out, channels);
    for (; k + AT_ONCE <= taps; k += AT_ONCE) add_products(weight + k * channels, rows + k, channels, out);
    for (; k < taps; k++) add_product(weight + k * channels, rows[k], channels, out);
}

/* out[l] = sum over k of weight[k] * y[l + offset[k]], every channel by itself; with the mean and variance of out
   if `mean` is not NULL. weight is [taps, channels]. */
void leanseq_local(const float *h, const float *scale, const float *shift, const float *weight, const i64 *offsets,
                   i64 taps, i64 n, i64 length, i64 channels, i64 threads, float *out, float *mean, float *var) {
    double *means = make_sums(threads, channels), *squares = make_sums(threads, channels);
    PARALLEL {
        float *y = make(length * channels), *sum = make(channels), *square = make(channels), *zeros = make(channels);
        const float **rows = malloc((size_t)taps * sizeof(float *));
        double count = 0;
        MY_SEQUENCES(s) {
            const float *x = h + s * length * channels;
            float *to = out + s * length * channels;
            clear(sum, channels);
            clear(square, channels);
            ROWS(row) silu(x + row, scale, shift, channels, y + row);
            ROWS(row) {
                meet(y, zeros, offsets, taps, 1, l, length, channels, rows);
                convolve(rows, weight, taps, channels, to + row);
                if (mean) add_deviations(to + row, to, channels, sum, square);
            }
            if (mean)
                join(means + THREAD * channels, squares + THREAD * channels, count, to, sum, square, channels, length);
            count += (double)length;
        }
        free(y);
        free(sum);
        free(square);
        free(zeros);
        free(rows);
    }
    if (mean) join_threads(means, squares, n, length, threads, channels, mean, var);
    free(means);
    free(squares);
}

/* Backward of leanseq_local: from the gradient of out to dz, to the gradient of the weights [taps, channels], and to
   the sums of dz and of dz * (h - centre) over all rows. */
void leanseq_local_backward(const float *dout, const float *h, const float *scale, const float *shift,
                            const float *centre, const float *weight, const i64 *offsets, i64 taps, i64 n, i64 length,
                            i64 channels, i64 threads, float *dz, float *dweight, float *sum, float *moment) {
    double *parts = make_sums(threads, channels), *moments = make_sums(threads, channels);
    double *filters = make_sums(threads, taps * channels);
    PARALLEL {
        float *y = make(length * channels), *dy = make(channels), *filter = make(taps * channels);
        float *total = make(channels), *cross = make(channels), *zeros = make(channels);
        const float **rows = malloc((size_t)taps * sizeof(float *));
        MY_SEQUENCES(s) {
            const float *x = h + s * length * channels, *d = dout + s * length * channels;
            float *to = dz + s * length * channels;
            clear(filter, taps * channels);
            clear(total, channels);
            clear(cross, channels);
            ROWS(row) silu(x + row, scale, shift, channels, y + row);
            ROWS(row) {
                i64 k = 0;
                meet(y, zeros, offsets, taps, 1, l, length, channels, rows);
                for (; k + AT_ONCE <= taps; k += AT_ONCE)
                    add_products_of(d + row, rows + k, channels, filter + k * channels);
                for (; k < taps; k++) add_product(d + row, rows[k], channels, filter + k * channels);
                meet(d, zeros, offsets, taps, -1, l, length, channels, rows);
                convolve(rows, weight, taps, channels, dy);
                through_silu(x + row, dy, scale, shift, centre, channels, to + row, total, cross);
            }
            add(filters + THREAD * taps * channels, filter, taps * channels);
            add(parts + THREAD * channels, total, channels);
            add(moments + THREAD * channels, cross, channels);
        }
        free(y);
        free(dy);
        free(filter);
        free(total);
        free(cross);
        free(zeros);
        free(rows);
    }
    add_sums(filters, threads, taps * channels, dweight);
    add_sums(parts, threads, channels, sum);
    add_sums(moments, threads, channels, moment);
    free(filters);
    free(parts);
    free(moments);
}
