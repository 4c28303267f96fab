/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/doctor.h"

#include "cli/output.h"

#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <linux/capability.h>
#include <linux/if.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

/* liburing 2.3 does not know it; Linux 6.7 does */
#define OPCODE_READ_MULTISHOT 49

/*
 * Runs a probe in a child with a network namespace of its own, where it can leave nothing
 * behind. Returns 0 or the errno value that the probe gave; ENOTSUP: the child died.
 */
static int
in_namespace(int (*probe)(void))
{
	int status;
	pid_t child = fork();

	if (child == 0)
		_exit(unshare(CLONE_NEWNET) != 0 ? errno : probe());
	if (child < 0)
		return errno;
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : ENOTSUP;
}

static int
probe_nothing(void)
{
	return 0;
}

/* A tap as weft makes it. */
static int
probe_tap(void)
{
	struct ifreq request = { .ifr_flags =
					 IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | IFF_MULTI_QUEUE };
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	if (fd < 0 || ioctl(fd, TUNSETIFF, &request) != 0 ||
		ioctl(fd, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6) != 0)
		return errno;
	return 0;
}

static int
probe_packet_socket(void)
{
	int one = 1, version = TPACKET_V2;
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

	if (fd < 0 || setsockopt(fd, SOL_PACKET, PACKET_VERSION, &version, sizeof(version)) != 0 ||
		setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &one, sizeof(one)) != 0)
		return errno;
	return 0;
}

/* The value of the first line of that name in a file of "name: value" lines; malloced, NULL:
 * there is none. */
static char *
line_value(const char *path, const char *name)
{
	FILE *file = fopen(path, "re");
	char *line = NULL, *value = NULL;
	size_t size = 0, length = strlen(name);

	while (file != NULL && value == NULL && getline(&line, &size, file) > 0) {
		const char *rest = line + length;

		if (strncmp(line, name, length) == 0 && rest[strspn(rest, " \t")] == ':')
			value = output_format("%s", strchr(rest, ':') + 1);
	}
	free(line);
	if (file != NULL)
		fclose(file);
	return value;
}

static bool
has_word(const char *words, const char *word)
{
	size_t length = strlen(word);

	while (words != NULL && *words != '\0') {
		words += strspn(words, " \t\n");
		if (strcspn(words, " \t\n") == length && strncmp(words, word, length) == 0)
			return true;
		words += strcspn(words, " \t\n");
	}
	return false;
}

static void
check_cpu(struct doctor *doctor)
{
	cpu_set_t set;
	int cpus = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 0;
	char *flags = line_value("/proc/cpuinfo", "flags");

#ifdef __x86_64__
	if (flags != NULL && (!has_word(flags, "sse4_2") || !has_word(flags, "aes"))) {
		doctor_tell(doctor, "cpu", FINDING_FAIL,
			"use a CPU of 2011 or later; of a virtual machine, pass the host's CPU "
			"through",
			"has no %s instructions", has_word(flags, "sse4_2") ? "AES" : "SSE 4.2");
		free(flags);
		return;
	}
#endif
	doctor_tell(doctor, "cpu", FINDING_OK, NULL, "%d usable%s%s%s%s", cpus,
		has_word(flags, "aes") ? ", AES" : "", has_word(flags, "avx2") ? ", AVX2" : "",
		has_word(flags, "avx512f") ? ", AVX-512" : "",
		has_word(flags, "vaes") ? ", VAES" : "");
	free(flags);
}

static void
check_kernel(struct doctor *doctor)
{
	struct utsname name;
	unsigned major = 0, minor = 0;

	uname(&name);
	if (sscanf(name.release, "%u.%u", &major, &minor) == 2 &&
		(major < 5 || (major == 5 && minor < 10)))
		doctor_tell(doctor, "kernel", FINDING_WARN, "Debian 12 has 6.1",
			"Linux %s is older than what weft is tested with", name.release);
	else
		doctor_tell(doctor, "kernel", FINDING_OK, NULL, "Linux %s", name.release);
}

static void
check_rights(struct doctor *doctor)
{
	static const struct {
		int number;
		const char *name;
	} needed[] = {
		{ CAP_NET_ADMIN, "net_admin" },
		{ CAP_NET_RAW, "net_raw" },
		{ CAP_SYS_ADMIN, "sys_admin" },
	};
	char missing[96] = "";

	capng_get_caps_process();
	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++)
		if (!capng_have_capability(CAPNG_EFFECTIVE, (unsigned)needed[i].number))
			snprintf(missing + strlen(missing), sizeof(missing) - strlen(missing),
				"%s%s", *missing ? ", " : "", needed[i].name);
	if (*missing)
		doctor_tell(doctor, "rights", FINDING_WARN,
			"to start weftd, and for the rest of this list, be root: sudo weft doctor",
			"no capability %s here", missing);
	else
		doctor_tell(doctor, "rights", FINDING_OK, NULL, "net_admin, net_raw, sys_admin");
}

static void
check_tap(struct doctor *doctor)
{
	int code = in_namespace(probe_nothing);

	if (code == EPERM) {
		doctor_tell(doctor, "netns", FINDING_WARN, "sudo weft doctor",
			"cannot look: that is for root");
		return;
	}
	if (code != 0) {
		doctor_tell(doctor, "netns", FINDING_FAIL, "use a kernel with CONFIG_NET_NS",
			"cannot make a network namespace: %s", strerror(code));
		return;
	}
	doctor_tell(doctor, "netns", FINDING_OK, NULL, "network namespaces can be made");
	code = in_namespace(probe_tap);
	if (code == 0)
		doctor_tell(doctor, "tun", FINDING_OK, NULL,
			"taps with several queues, checksum and segmentation offload");
	else if (code == ENOENT || code == ENODEV)
		doctor_tell(doctor, "tun", FINDING_FAIL,
			"modprobe tun; of a container, give it /dev/net/tun", "/dev/net/tun: %s",
			strerror(code));
	else
		doctor_tell(doctor, "tun", FINDING_FAIL,
			"of a container, allow it the device /dev/net/tun (10:200)",
			"cannot make a tap: %s", strerror(code));
	code = in_namespace(probe_packet_socket);
	if (code == 0)
		doctor_tell(doctor, "af_packet", FINDING_OK, NULL,
			"packet sockets with offload headers");
	else
		doctor_tell(doctor, "af_packet", FINDING_WARN, "modprobe af_packet",
			"nics and uplinks on kernel interfaces will not work: %s", strerror(code));
}

static void
check_uring(struct doctor *doctor)
{
	struct io_uring_probe *probe = io_uring_get_probe();

	if (probe == NULL) {
		doctor_tell(doctor, "io_uring", FINDING_WARN,
			"sysctl kernel.io_uring_disabled=0; of a container, allow it in seccomp",
			"not here: taps are slower by plain calls");
		return;
	}
	if (!io_uring_opcode_supported(probe, IORING_OP_READ) ||
		!io_uring_opcode_supported(probe, IORING_OP_WRITE))
		doctor_tell(doctor, "io_uring", FINDING_WARN, NULL,
			"cannot read or write: taps are slower by plain calls");
	else
		doctor_tell(doctor, "io_uring", FINDING_OK, NULL, "read and write in batches%s",
			probe->last_op >= OPCODE_READ_MULTISHOT ? ", multishot"
								: "; no multishot (Linux 6.7)");
	io_uring_free_probe(probe);
}

/* A number of /proc/meminfo; -1: not there. */
static long
memory_number(const char *name)
{
	char *value = line_value("/proc/meminfo", name);
	long number = value == NULL ? -1 : strtol(value, NULL, 10);

	free(value);
	return number;
}

static void
check_memory(struct doctor *doctor)
{
	long pages = memory_number("HugePages_Total"), size = memory_number("Hugepagesize");
	long available = memory_number("MemAvailable");

	if (pages > 0)
		doctor_tell(doctor, "hugepages", FINDING_OK, NULL, "%ld of %ld kB", pages, size);
	else
		doctor_tell(doctor, "hugepages", FINDING_OK, NULL, "none, and none are needed%s",
			pages < 0 ? " (this kernel has no support)" : "");
	if (available >= 0 && available < 256 * 1024)
		doctor_tell(doctor, "memory", FINDING_WARN, NULL, "only %ld MB are available",
			available / 1024);
	else if (available >= 0)
		doctor_tell(
			doctor, "memory", FINDING_OK, NULL, "%ld MB available", available / 1024);
}

static void
check_limits(struct doctor *doctor)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) != 0)
		return;
	if (files.rlim_max < 4096)
		doctor_tell(doctor, "files", FINDING_WARN,
			"ulimit -Hn 65536, or LimitNOFILE= of the service",
			"at most %llu open files: each vnic takes one a queue",
			(unsigned long long)files.rlim_max);
	else
		doctor_tell(doctor, "files", FINDING_OK, NULL, "up to %llu open",
			(unsigned long long)files.rlim_max);
}

void
doctor_machine(struct doctor *doctor)
{
	check_cpu(doctor);
	check_kernel(doctor);
	check_rights(doctor);
	check_tap(doctor);
	check_uring(doctor);
	check_memory(doctor);
	check_limits(doctor);
}
