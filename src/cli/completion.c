/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Completion: the shells' scripts are a few lines that ask `weft __complete WORD...`, which
 * knows the table of commands and asks the daemon for names. The last word is the one to
 * complete; candidates come one a line, with what they mean behind a tab.
 */
#include "cli/answer.h"
#include "cli/arguments.h"
#include "cli/kinds.h"
#include "cli/output.h"

#include <stdlib.h>
#include <string.h>

#define ASK_SECONDS 0.5

/* Colons and equals signs are word breaks to bash: what is left of the last was typed already. */
static const char bash_script[] =
	"# bash completion of weft\n"
	"_weft() {\n"
	"\tlocal line word last before typed words\n"
	"\ttyped=${COMP_LINE:0:COMP_POINT}\n"
	"\tread -ra words <<<\"$typed\"\n"
	"\t[[ $typed == *[[:space:]] ]] && words+=(\"\")\n"
	"\tword=${words[${#words[@]}-1]}\n"
	"\tlast=$word\n"
	"\t[[ $COMP_WORDBREAKS == *:* ]] && last=${last##*:}\n"
	"\t[[ $COMP_WORDBREAKS == *=* ]] && last=${last##*=}\n"
	"\tbefore=${word%\"$last\"}\n"
	"\tCOMPREPLY=()\n"
	"\twhile IFS=$'\\t' read -r line _; do\n"
	"\t\tif [[ $line == :file ]]; then\n"
	"\t\t\tcompopt -o default; COMPREPLY=(); return\n"
	"\t\tfi\n"
	"\t\t[[ $line == *[=/:] ]] && compopt -o nospace\n"
	"\t\tCOMPREPLY+=(\"${line#\"$before\"}\")\n"
	"\tdone < <(\"${words[0]}\" __complete \"${words[@]:1}\" 2>/dev/null)\n"
	"}\n"
	"complete -F _weft weft\n";

static const char zsh_script[] =
	"#compdef weft\n"
	"# zsh completion of weft\n"
	"_weft() {\n"
	"\tlocal line\n"
	"\tlocal -a plain open\n"
	"\twhile IFS= read -r line; do\n"
	"\t\tcase ${line%%$'\\t'*} in\n"
	"\t\t:file) _files; return ;;\n"
	"\t\t*[=/:]) open+=(\"${${line%%$'\\t'*}//:/\\\\:}\") ;;\n"
	"\t\t*) plain+=(\"${${line%%$'\\t'*}//:/\\\\:}:${line#*$'\\t'}\") ;;\n"
	"\t\tesac\n"
	"\tdone < <(\"${words[1]}\" __complete \"${(@)words[2,CURRENT]}\" 2>/dev/null)\n"
	"\t_describe -t values weft plain\n"
	"\t(( $#open )) && _describe -t open weft open -S ''\n"
	"}\n"
	"if [ \"$funcstack[1]\" = _weft ]; then _weft \"$@\"; else compdef _weft weft; fi\n";

enum cli_exit
command_completion(struct cli *cli)
{
	const char *shell = cli->arguments->operands[0];

	if (strcmp(shell, "bash") == 0)
		fputs(bash_script, stdout);
	else if (strcmp(shell, "zsh") == 0)
		fputs(zsh_script, stdout);
	else {
		output_error("there is completion for bash and zsh, not for '%s'", shell);
		return CLI_USAGE;
	}
	return CLI_DONE;
}

/* Where completion stands. */
struct position {
	struct cli *cli;
	const struct command *command;
	const char *kind; /* first operand of `show` */
	unsigned operand; /* of which the word is one */
	const char *word;
};

static void
offer(const struct position *at, const char *candidate, const char *meaning)
{
	if (strncmp(candidate, at->word, strlen(at->word)) == 0)
		printf("%s\t%s\n", candidate, meaning != NULL ? meaning : "");
}

static void
offer_joined(const struct position *at, const char *before, const char *name)
{
	char *candidate = output_format("%s%s", before, name);

	offer(at, candidate, NULL);
	free(candidate);
}

/*
 * Names of a kind's objects, with what stands before them in the word; what a shell could take
 * for more than a name is left out.
 */
static void
offer_names(const struct position *at, const char *kind_name, const char *before)
{
	const struct kind *kind = kind_find(kind_name);
	char *path;
	struct request request = { .seconds = ASK_SECONDS };
	struct reply reply;
	json_t *object, *list;
	size_t i;

	if (kind == NULL || kind->unnamed || kind->single)
		return;
	path = output_format("/restconf/data/weft-state:%s", kind->name);
	request.path = path;
	client_do(at->cli->client, &request, &reply);
	list = json_object_get(reply.body, path + strlen("/restconf/data/"));
	json_array_foreach(list, i, object)
	{
		const char *name = answer_text(object, "name");

		if (name != NULL && name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQR"
						      "STUVWXYZ0123456789-_.:/@+~")] == '\0')
			offer_joined(at, before, name);
		else if (name == NULL && answer_number(object, "number") > 0)
			printf("%llu\t\n", (unsigned long long)answer_number(object, "number"));
	}
	reply_free(&reply);
	free(path);
}

/* What NAME is of: objects without names are limited by those of their devices. */
static const char *
kind_of_names(const char *name)
{
	const struct kind *kind = kind_find(name);

	if (kind == NULL || !kind->unnamed)
		return name;
	for (unsigned i = 0; i < KIND_FILTERS && kind->filters[i] != NULL; i++)
		if (strcmp(kind->filters[i], "switch") == 0)
			return "switches";
	return "routers";
}

static void
offer_filters(const struct position *at)
{
	static const char *const conditions[] = { "network=", "port=", "mac=", "src-mac=",
		"dst-mac=", "ip=", "src=", "dst=", "proto=", "tcp-port=", "udp-port=", "sport=",
		"dport=", "vlan=", "ethertype=" };

	for (size_t i = 0; i < sizeof(conditions) / sizeof(conditions[0]); i++)
		if (strchr(at->word, '=') == NULL)
			offer(at, conditions[i], NULL);
	if (strncmp(at->word, "network=", strlen("network=")) == 0)
		offer_names(at, "networks", "network=");
	else if (strncmp(at->word, "port=", strlen("port=")) == 0)
		offer_names(at, "ports", "port=");
}

static void
offer_commands(const struct position *at)
{
	for (const struct command *command = commands; command->name != NULL; command++)
		if (!command->hidden)
			offer(at, command->name, command->summary);
}

static void
offer_word(const struct position *at, enum word word)
{
	switch (word) {
	case WORD_NONE:
		return;
	case WORD_FILE:
		puts(":file\t");
		return;
	case WORD_COMMAND:
		offer_commands(at);
		return;
	case WORD_KIND:
		for (const struct kind *kind = kinds; kind->name != NULL; kind++)
			offer(at, kind->name, kind->summary);
		return;
	case WORD_NAME:
		offer_names(at, kind_of_names(at->kind), "");
		return;
	case WORD_NETWORK:
		offer_names(at, "networks", "");
		return;
	case WORD_SWITCH:
		offer_names(at, "switches", "");
		return;
	case WORD_ROUTER:
		offer_names(at, "routers", "");
		return;
	case WORD_FIREWALL:
		offer_names(at, "firewalls", "");
		return;
	case WORD_PORT:
		offer_names(at, "ports", "");
		return;
	case WORD_NIC:
		offer_names(at, "nics", "");
		return;
	case WORD_NUMBER:
		offer_names(at, "history", "");
		return;
	case WORD_FILTER:
		offer_filters(at);
		return;
	case WORD_TO:
		offer(at, "to", NULL);
		return;
	case WORD_PROTOCOL:
		offer(at, "icmp", NULL);
		offer(at, "tcp/", NULL);
		offer(at, "udp/", NULL);
		return;
	case WORD_SHELL:
		offer(at, "bash", NULL);
		offer(at, "zsh", NULL);
		return;
	case WORD_COLOUR:
		offer(at, "auto", NULL);
		offer(at, "always", NULL);
		offer(at, "never", NULL);
		return;
	}
}

static void
offer_options(const struct position *at, const struct option *options)
{
	for (; options != NULL && options->name != NULL; options++) {
		char *name = output_format("--%s", options->name);

		offer(at, name, options->summary);
		free(name);
	}
}

static void
offer_operand(const struct position *at)
{
	unsigned i = at->operand < 3 ? at->operand : 3;

	if (at->operand >= at->command->most)
		return;
	while (i > 0 && at->command->words[i] == WORD_NONE && at->command->most > 4)
		i--; /* the last one repeats */
	offer_word(at, at->command->words[i]);
	/* `capture`: further ports, or conditions */
	if (i > 0 && at->command->words[i] == WORD_FILTER)
		offer_word(at, at->command->words[i - 1]);
}

/* The option that the word before the last one is, and wants a value. */
static const struct option *
pending_option(const struct arguments *parsed, const char *before)
{
	const struct given_option *last;

	if (parsed->n_given == 0 || before[0] != '-' || strchr(before, '=') != NULL)
		return NULL;
	last = &parsed->given[parsed->n_given - 1];
	return last->value != NULL && strcmp(last->value, "") == 0 ? last->option : NULL;
}

/*
 * Parses the words with an empty one in the place of the last: an option before it that
 * wants a value takes it, and is so found.
 */
static void
complete(struct position *at, const char *const *words, unsigned count)
{
	char **parsed_words = output_memory(calloc(count + 1, sizeof(char *)));
	struct arguments parsed;
	const struct option *option;
	char empty[] = "";

	for (unsigned i = 0; i + 1 < count; i++)
		parsed_words[i] = (char *)words[i];
	parsed_words[count - 1] = empty;
	arguments_parse(&parsed, (int)count, parsed_words, NULL);
	at->command = parsed.command;
	at->word = words[count - 1];
	option = count > 1 ? pending_option(&parsed, words[count - 2]) : NULL;
	if (arguments_value(&parsed, "socket") != NULL && *arguments_value(&parsed, "socket")) {
		client_close(at->cli->client);
		at->cli->client = client_open(arguments_value(&parsed, "socket"), 0);
	}
	if (option != NULL) {
		offer_word(at, option->word);
	} else if (at->word[0] == '-') {
		offer_options(at, at->command == NULL ? NULL : at->command->options);
		offer_options(at, global_options);
	} else if (at->command == NULL) {
		offer_commands(at);
	} else {
		at->operand = parsed.count > 0 ? parsed.count - 1 : 0;
		at->kind = parsed.operands[0] != NULL ? parsed.operands[0] : "";
		offer_operand(at);
	}
	arguments_free(&parsed);
	free(parsed_words);
}

enum cli_exit
command_complete(struct cli *cli)
{
	struct position at = { .cli = cli };
	static const char *const nothing[] = { "" };

	if (cli->arguments->count == 0)
		complete(&at, nothing, 1);
	else
		complete(&at, cli->arguments->operands, cli->arguments->count);
	return CLI_DONE;
}
