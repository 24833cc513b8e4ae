/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "analyze/bundle.h"
#include "base/fileutil.h"
#include "base/log.h"
#include "cli/cli.h"
#include "cli/term.h"
#include "web/listen.h"

int cli_open(const struct cli *cli, struct reader **ret_reader)
{
	AUTO(strbuf) struct strbuf err = STRBUF_INIT;
	struct reader *r;
	int error = reader_open(cli->state, &r, &err);

	if (!error) {
		error = reader_select(r, cli->since_ns, cli->until_ns ? cli->until_ns : INT64_MAX);
		if (error >= 0) {
			if (*reader_warnings(r))
				log_warning("%s", reader_warnings(r));
			*ret_reader = r;
			return CLI_OK;
		}
		reader_free(r);
	}
	log_error("cannot read the store in %s: %s%s", cli->state, err.len ? strbuf_str(&err) : strerror(-error),
		  error == -ENOENT ? "; start kwhy up, or name another place with --state" : "");
	return CLI_STORE;
}

int cli_open_as_of(const struct cli *cli, struct reader **ret_reader)
{
	int code = cli_open(cli, ret_reader);

	if (code || !cli->at_ns)
		return code;
	reader_as_of(*ret_reader, cli->at_ns);
	if (reader_select(*ret_reader, cli->since_ns, cli->until_ns ? cli->until_ns : INT64_MAX) >= 0)
		return CLI_OK;
	log_error("cannot read the store in %s as it was then", cli->state);
	reader_free(*ret_reader);
	return CLI_STORE;
}

unsigned int cli_guard(const struct cli *cli)
{
	const struct config *c = cli->config;
	bool tls = *config_string(c, "serve.tls_cert") && *config_string(c, "serve.tls_key");
	bool tokens = *config_string(c, "serve.viewer_tokens") || *config_string(c, "serve.operator_tokens") ||
		      *config_string(c, "serve.admin_tokens");

	return (tls ? WEB_TLS : 0) | (tokens ? WEB_TOKENS : 0);
}

int cli_run_on_bundle(struct cli *cli)
{
	AUTO(strbuf) struct strbuf err = STRBUF_INIT;
	json_t *manifest = NULL;
	char dir[PATH_MAX];
	int r = dir_make_temporary(dir, sizeof(dir), "kwhy-bundle");

	if (r) {
		log_error("cannot make a temporary directory: %s", strerror(-r));
		return CLI_STORE;
	}
	r = bundle_unpack(cli->bundle, dir, true, &manifest, &err);
	json_decref(manifest);
	if (r)
		log_error("%s", strbuf_str(&err));
	cli->state = dir;
	r = r ? CLI_STORE : cli->verb->run(cli);
	dir_remove(dir);
	return r;
}

int cli_query_done(const struct cli *cli, bool truncated, int64_t n, const struct strbuf *error)
{
	if (n == -E2BIG) {
		log_warning("there is more: the result was cut at its limit");
		return CLI_PARTIAL;
	}
	if (n < 0 && n != -ENODATA) {
		log_error("%s", error->len ? strbuf_str(error) : strerror((int)-n));
		return n == -EINVAL || n == -EPERM ? CLI_USAGE
		       : n == -ETIME || n == -EFBIG || n == -ENOMEM
			       ? CLI_PARTIAL
			       : CLI_STORE;
	}
	if (truncated && cli->since_ns) {
		log_warning("older shards of the store were left out; ask for less with --since and --until");
		return CLI_PARTIAL;
	}
	return CLI_OK;
}

int cli_list(const struct cli *cli,
	     int64_t (*list)(const struct cli *cli, struct reader *r, json_t **ret_rows, struct strbuf *ret_error),
	     void (*print)(const json_t *rows), const char *none)
{
	AUTO(strbuf) struct strbuf err = STRBUF_INIT;
	json_t *rows = NULL, *row;
	struct reader *r;
	size_t i;
	int64_t n;
	int code = cli_open(cli, &r);

	if (code)
		return code;
	n = list(cli, r, &rows, &err);
	if (cli->json)
		json_array_foreach (rows, i, row)
			term_json(row);
	else if (json_array_size(rows))
		print(rows);
	else if (n >= 0 && none)
		log_info("%s", none);
	code = cli_query_done(cli, reader_truncated(r), n, &err);
	json_decref(rows);
	reader_free(r);
	return code;
}
