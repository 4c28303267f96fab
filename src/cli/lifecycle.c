/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * `up` and `down`: starting weftd and ending it.
 */
#include "cli/answer.h"
#include "cli/arguments.h"
#include "cli/configure.h"
#include "cli/daemon_binary.h"
#include "cli/file.h"
#include "cli/output.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define READY_SECONDS 30
#define END_SECONDS 60
#define LOG_LINES 20

/* A weftd that was started here. */
struct started {
	pid_t pid;   /* 0: by systemd */
	char *log;   /* NULL: the journal */
	off_t begin; /* of its lines in the log */
};

/* Its log, from where it began, the last lines of it. */
static void
print_log(const struct started *started)
{
	FILE *log = started->log == NULL ? NULL : fopen(started->log, "re");
	char *lines[LOG_LINES] = { 0 }, *line = NULL;
	size_t size = 0, count = 0;

	if (log == NULL || fseeko(log, started->begin, SEEK_SET) != 0) {
		output_hint("its log: journalctl -u weftd");
		return;
	}
	while (getline(&line, &size, log) > 0) {
		free(lines[count % LOG_LINES]);
		lines[count++ % LOG_LINES] = output_clean(line, strcspn(line, "\n"), true);
	}
	for (size_t i = count > LOG_LINES ? count - LOG_LINES : 0; i < count; i++)
		output_hint("%s", lines[i % LOG_LINES]);
	for (size_t i = 0; i < LOG_LINES; i++)
		free(lines[i]);
	free(line);
	fclose(log);
}

/* Runs in the child: never returns. */
static void
become_daemon(const char *binary, char *const *words, int log)
{
	int null = open("/dev/null", O_RDWR);
	sigset_t none;

	setsid();
	if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(log, STDOUT_FILENO) < 0 ||
		dup2(log, STDERR_FILENO) < 0)
		_exit(126);
	signal(SIGPIPE, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (chdir("/") != 0)
		_exit(126);
	execv(binary, words);
	_exit(127);
}

static char *
absolute(const char *path)
{
	char *folder, *joined;

	if (path[0] == '/')
		return output_memory(strdup(path));
	folder = output_memory(getcwd(NULL, 0));
	joined = output_format("%s/%s", folder, path);
	free(folder);
	return joined;
}

static void
cannot(const char *verb, const char *path)
{
	int code = errno;

	output_error("cannot %s %s: %s", verb, path, strerror(code));
	if (geteuid() != 0 && (code == EACCES || code == EPERM))
		output_hint("weftd is started as root: sudo weft up");
}

/* weftd.log beside the socket, whose folder is made. -1: told. */
static int
open_log(const char *socket, struct started *started)
{
	char *copy = output_memory(strdup(socket)), *folder = dirname(copy);
	struct stat status;
	int log = -1;

	started->log = output_format("%s/weftd.log", folder);
	if (mkdir(folder, 0755) != 0 && errno != EEXIST)
		cannot("make", folder);
	else if ((log = open(started->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640)) < 0)
		cannot("open", started->log);
	else if (fstat(log, &status) == 0)
		started->begin = status.st_size;
	free(copy);
	return log;
}

static bool
start_process(struct cli *cli, struct started *started)
{
	char *binary = daemon_binary();
	char *socket = absolute(cli->socket);
	const char *state = arguments_value(cli->arguments, "state");
	char *folder = state == NULL ? NULL : absolute(state);
	char *words[] = { "weftd", "--socket", socket, folder ? "--state" : NULL, folder, NULL };
	int log;

	if (binary == NULL) {
		output_error("there is no weftd beside this program, nor in PATH");
		return false;
	}
	log = open_log(socket, started);
	if (log < 0)
		return false;
	started->pid = fork();
	if (started->pid == 0)
		become_daemon(binary, words, log);
	if (started->pid < 0)
		output_error("cannot start %s: %s", binary, strerror(errno));
	close(log);
	free(binary);
	free(socket);
	free(folder);
	return started->pid > 0;
}

/* True: it ran and exited with 0. */
static bool
run_quietly(char *const *words)
{
	posix_spawn_file_actions_t actions;
	extern char **environ;
	pid_t pid;
	int status;
	bool good;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
	posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
	good = posix_spawnp(&pid, words[0], &actions, NULL, words, environ) == 0 &&
	       waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
	posix_spawn_file_actions_destroy(&actions);
	return good;
}

/* systemd's unit knows its own socket and state: it is for those who named none. */
static bool
systemd_has_it(struct cli *cli)
{
	char *words[] = { "systemctl", "is-enabled", "--quiet", "weftd.service", NULL };

	return !cli->socket_given && arguments_value(cli->arguments, "state") == NULL &&
	       access("/run/systemd/system", F_OK) == 0 && run_quietly(words);
}

static bool
start(struct cli *cli, struct started *started)
{
	char *words[] = { "systemctl", "start", "weftd.service", NULL };

	if (!systemd_has_it(cli))
		return start_process(cli, started);
	if (run_quietly(words))
		return true;
	output_error("systemd cannot start weftd.service");
	output_hint("systemctl status weftd; journalctl -u weftd");
	return false;
}

/* True: it answers. */
static bool
answers(struct cli *cli, struct reply *reply)
{
	struct request request = { .path = "/restconf/data/weft-state:system", .seconds = 5 };

	client_do(cli->client, &request, reply);
	reply_free(reply);
	return reply->end == REPLY_OK;
}

static bool
told_ended(const struct started *started, int status)
{
	if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
		output_error("weftd cannot be executed");
	else if (WIFEXITED(status))
		output_error("weftd ended at once, with status %d:", WEXITSTATUS(status));
	else
		output_error("weftd ended at once, by signal %d (%s):", WTERMSIG(status),
			strsignal(WTERMSIG(status)));
	print_log(started);
	return false;
}

static bool
wait_ready(struct cli *cli, const struct started *started)
{
	struct timespec pause = { .tv_nsec = 20000000 };
	struct reply reply;
	int status;

	for (unsigned i = 0; i < READY_SECONDS * 50; i++) {
		if (answers(cli, &reply))
			return true;
		if (reply.end == REPLY_ERROR)
			break;
		if (started->pid > 0 && waitpid(started->pid, &status, WNOHANG) == started->pid)
			return told_ended(started, status);
		nanosleep(&pause, NULL);
	}
	output_error("weftd was started, but is not ready after %u s", READY_SECONDS);
	print_log(started);
	return false;
}

static void
tell_started(struct cli *cli, const struct started *started)
{
	FILE *stream = cli->json ? stderr : stdout;

	if (started->pid > 0)
		fprintf(stream, "started weftd (process %d, log %s)\n", (int)started->pid,
			started->log);
	else
		fputs("started weftd.service\n", stream);
	fflush(stream);
}

/* Waits for the end of a process that is not our child. */
static bool
wait_end(struct cli *cli, int pidfd)
{
	struct pollfd fds = { .fd = pidfd, .events = POLLIN };
	struct timespec pause = { .tv_nsec = 50000000 };

	if (pidfd >= 0)
		return poll(&fds, 1, END_SECONDS * 1000) > 0;
	for (unsigned i = 0; i < END_SECONDS * 20; i++) {
		struct reply reply;

		if (!answers(cli, &reply) && reply.end == REPLY_NO_DAEMON)
			return true;
		nanosleep(&pause, NULL);
	}
	return false;
}

static enum cli_exit
shut_down(struct cli *cli)
{
	enum cli_exit exit = CLI_FAILED;
	int pid = client_daemon_pid(cli->client);
	int pidfd = pid > 0 ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
	json_t *output = answer_operation(cli, "shutdown", NULL, "taking everything away", &exit);

	if (output != NULL) {
		exit = wait_end(cli, pidfd) ? CLI_DONE : CLI_FAILED;
		if (exit != CLI_DONE)
			output_error(
				"weftd (process %d) has not ended within %u s", pid, END_SECONDS);
	}
	json_decref(output);
	if (pidfd >= 0)
		close(pidfd);
	return exit;
}

/* Whoever names a state folder wants that one: false when weftd has another, told. */
static bool
has_state(struct cli *cli)
{
	const char *state = arguments_value(cli->arguments, "state");
	struct request request = { .path = "/restconf/data/weft-state:system", .seconds = 5 };
	struct reply reply;
	const char *folder;
	char *here, *there;
	bool same;

	if (state == NULL)
		return true;
	client_do(cli->client, &request, &reply);
	folder = answer_text(json_object_get(reply.body, "weft-state:system"), "state");
	here = realpath(state, NULL);
	there = folder == NULL ? NULL : realpath(folder, NULL);
	same = folder == NULL || (here != NULL && there != NULL && strcmp(here, there) == 0);
	if (!same) {
		output_error("weftd runs already, with its state in %s", folder);
		output_hint("`weft down` ends it; --socket lets another run beside it");
	}
	free(here);
	free(there);
	reply_free(&reply);
	return same;
}

/* Starts weftd if there is none. *started tells whether it was. */
static enum cli_exit
ensure_daemon(struct cli *cli, bool *did)
{
	struct started started = { 0 };
	struct reply reply;
	bool good;

	*did = false;
	if (answers(cli, &reply))
		return has_state(cli) ? CLI_DONE : CLI_FAILED;
	if (reply.end != REPLY_NO_DAEMON)
		return answer_failed(cli, &reply, CLI_FAILED);
	good = start(cli, &started) && wait_ready(cli, &started);
	if (good)
		tell_started(cli, &started);
	*did = good;
	free(started.log);
	return good ? CLI_DONE : CLI_FAILED;
}

enum cli_exit
command_up(struct cli *cli)
{
	const char *file = cli->arguments->operands[0];
	json_t *input = NULL;
	enum cli_exit exit;
	bool started;

	if (file != NULL && (input = file_input(file)) == NULL)
		return CLI_FAILED;
	if (input != NULL && !configure_options(cli, input)) {
		json_decref(input);
		return CLI_USAGE;
	}
	exit = ensure_daemon(cli, &started);
	if (exit != CLI_DONE || input == NULL) {
		if (exit == CLI_DONE && !started && !cli->json)
			puts("weftd runs already");
		json_decref(input);
		return exit;
	}
	exit = configure_apply(cli, input);
	if (exit != CLI_DONE && started) {
		fputs("weftd was started for this file, and ends again\n", stderr);
		shut_down(cli);
	}
	return exit;
}

enum cli_exit
command_down(struct cli *cli)
{
	enum cli_exit exit = shut_down(cli);

	if (exit == CLI_DONE && !cli->json)
		puts("weftd has ended; `weft up` brings its configuration back");
	return exit;
}
