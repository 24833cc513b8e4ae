/* SPDX-License-Identifier: Apache-2.0 */
#include "web/web.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "base/timeutil.h"

struct web {
	struct web_options options;
	pthread_mutex_t lock, rules_lock;
	struct rules *rules; /* NULL: not read yet */
	struct stream *stream;
	pthread_cond_t freed;
	struct reader *idle[WEB_READERS_MAX];
	unsigned int idle_count, out;
	atomic_bool sql_runs, diagnosis_runs;
	_Atomic uint64_t responses[6], audit_lost;
	int64_t started_ns;
};

struct web *web_new(const struct web_options *options)
{
	struct web *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	pthread_mutex_init(&w->lock, NULL);
	pthread_mutex_init(&w->rules_lock, NULL);
	pthread_cond_init(&w->freed, NULL);
	w->started_ns = time_wall_ns();
	w->options.state_dir = strdup(options->state_dir);
	w->options.host = strdup(options->host);
	w->options.listen = strdup(options->listen);
	w->options.config = strdup(options->config);
	w->options.settings = options->settings;
	w->options.sql_program = options->sql_program;
	w->options.sql_time_ns = options->sql_time_ns;
	w->options.sql_memory_bytes = options->sql_memory_bytes;
	w->options.tls = options->tls;
	w->options.tokens = options->tokens;
	w->options.audit = options->audit;
	/* Ids grow from one run of the server to the next: they begin with its start in microseconds. */
	w->stream = stream_new((uint64_t)(w->started_ns / NSEC_PER_USEC));
	if (!w->stream || !w->options.state_dir || !w->options.host || !w->options.listen || !w->options.config) {
		web_free(w);
		return NULL;
	}
	return w;
}

void web_free(struct web *w)
{
	if (!w)
		return;
	for (unsigned int i = 0; i < w->idle_count; i++)
		reader_free(w->idle[i]);
	pthread_cond_destroy(&w->freed);
	pthread_mutex_destroy(&w->lock);
	pthread_mutex_destroy(&w->rules_lock);
	rules_free(w->rules);
	stream_free(w->stream);
	free((char *)w->options.state_dir);
	free((char *)w->options.host);
	free((char *)w->options.listen);
	free((char *)w->options.config);
	free(w);
}

const struct web_options *web_options(const struct web *w)
{
	return &w->options;
}

int web_reader_get(struct web *w, struct reader **ret_reader, struct strbuf *ret_error)
{
	struct reader *r = NULL;
	int error = 0;

	pthread_mutex_lock(&w->lock);
	while (w->out == WEB_READERS_MAX)
		pthread_cond_wait(&w->freed, &w->lock);
	w->out++;
	if (w->idle_count)
		r = w->idle[--w->idle_count];
	pthread_mutex_unlock(&w->lock);
	if (!r)
		error = reader_open(w->options.state_dir, &r, ret_error);
	if (!error) {
		*ret_reader = r;
		return 0;
	}
	pthread_mutex_lock(&w->lock);
	w->out--;
	pthread_cond_signal(&w->freed);
	pthread_mutex_unlock(&w->lock);
	return error;
}

void web_reader_put(struct web *w, struct reader *r)
{
	pthread_mutex_lock(&w->lock);
	w->out--;
	w->idle[w->idle_count++] = r;
	pthread_cond_signal(&w->freed);
	pthread_mutex_unlock(&w->lock);
}

const char *web_setting(const struct web *w, const char *name)
{
	const char *text = w->options.settings ? config_string(w->options.settings, name) : NULL;

	return text ? text : "";
}

int web_rules_get(struct web *w, const struct rules **ret_rules, struct strbuf *ret_error)
{
	int error = 0;

	pthread_mutex_lock(&w->rules_lock);
	if (w->rules && rules_changed(w->rules)) {
		rules_free(w->rules);
		w->rules = NULL;
	}
	if (!w->rules)
		error = rules_load(web_setting(w, "analyze.rules"), &w->rules, ret_error);
	if (error)
		pthread_mutex_unlock(&w->rules_lock);
	else
		*ret_rules = w->rules;
	return error;
}

void web_rules_put(struct web *w)
{
	pthread_mutex_unlock(&w->rules_lock);
}

struct stream *web_stream(struct web *w)
{
	return w->stream;
}

bool web_diagnosis_begin(struct web *w)
{
	return !atomic_exchange(&w->diagnosis_runs, true);
}

void web_diagnosis_end(struct web *w)
{
	atomic_store(&w->diagnosis_runs, false);
}

bool web_sql_begin(struct web *w)
{
	return !atomic_exchange(&w->sql_runs, true);
}

void web_sql_end(struct web *w)
{
	atomic_store(&w->sql_runs, false);
}

void web_count_response(struct web *w, unsigned int status)
{
	unsigned int i = status / 100;

	if (i < ARRAY_SIZE(w->responses))
		atomic_fetch_add_explicit(&w->responses[i], 1, memory_order_relaxed);
}

uint64_t web_responses(const struct web *w, unsigned int status_class)
{
	return status_class < ARRAY_SIZE(w->responses)
		       ? atomic_load_explicit(&((struct web *)w)->responses[status_class], memory_order_relaxed)
		       : 0;
}

int64_t web_started_ns(const struct web *w)
{
	return w->started_ns;
}

void web_count_audit(struct web *w, int result)
{
	if (result)
		atomic_fetch_add_explicit(&w->audit_lost, 1, memory_order_relaxed);
}

uint64_t web_audit_lost(const struct web *w)
{
	return atomic_load_explicit(&((struct web *)w)->audit_lost, memory_order_relaxed);
}
