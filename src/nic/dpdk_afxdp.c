/* SPDX-License-Identifier: BSD-3-Clause */
#include "nic/dpdk_afxdp.h"

#include "base/log.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define MAPS_LIMIT 64 /* of one program that are looked at */
/* How long a closing device waits for what it has sent last. */
#define SENT_LOOKS 3
#define SENT_LOOK_USECS 1000
/* How long after a close the next device waits with its bind. Of 30 binds each, that many got
 * EBUSY when tried 1, 10, 20 and 50 ms after the close: 23, 13, 5, none (Linux 6.18). A device
 * that is early all the same is tried again by the engine. */
#define RELEASE_USECS 100000

enum kind { XDP_SOCKET, XDP_PROGRAM, BPF_MAP };

struct file {
	int fd;
	enum kind kind;
	uint64_t id; /* the kernel's, of what the fd stands for: inode, program or map */
};

struct files {
	struct file *at;
	unsigned count, room;
};

struct dpdk_afxdp {
	uint16_t port;
	bool was_promiscuous, started;
	bool known;          /* own is complete */
	unsigned kept;       /* buffers that the kernel has to receive into: always that many */
	struct files before; /* of the process, before the device was opened, later closed */
	struct files own;    /* the device's */
};

/* When a device was closed last; the plug lock guards it. */
static struct timespec last_close;

/* ---- the process's files ----------------------------------------------------------------------
 */

static int
bpf_info(int fd, void *info, uint32_t size)
{
	union bpf_attr request;

	memset(&request, 0, sizeof(request));
	request.info.bpf_fd = (uint32_t)fd;
	request.info.info_len = size;
	request.info.info = (uintptr_t)info;
	return (int)syscall(SYS_bpf, BPF_OBJ_GET_INFO_BY_FD, &request, sizeof(request));
}

static bool
identify_program(struct file *file)
{
	struct bpf_prog_info info;

	memset(&info, 0, sizeof(info));
	if (bpf_info(file->fd, &info, sizeof(info)) < 0)
		return false;
	file->kind = XDP_PROGRAM;
	file->id = info.id;
	/* libxdp's dispatcher runs XDP programs as extensions of itself */
	return info.type == BPF_PROG_TYPE_XDP || info.type == BPF_PROG_TYPE_EXT;
}

static bool
identify_map(struct file *file)
{
	struct bpf_map_info info;

	memset(&info, 0, sizeof(info));
	if (bpf_info(file->fd, &info, sizeof(info)) < 0)
		return false;
	file->kind = BPF_MAP;
	file->id = info.id;
	return true;
}

static bool
identify_socket(struct file *file, const char *inode)
{
	int domain = 0;
	socklen_t size = sizeof(domain);

	if (getsockopt(file->fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) < 0 || domain != AF_XDP)
		return false;
	file->kind = XDP_SOCKET;
	file->id = strtoull(inode, NULL, 10);
	return true;
}

/* True: the fd is of one of the kinds. The link is what /proc tells of it. */
static bool
identify(struct file *file, const char *link)
{
	if (strncmp(link, "socket:[", strlen("socket:[")) == 0)
		return identify_socket(file, link + strlen("socket:["));
	if (strcmp(link, "anon_inode:bpf-prog") == 0)
		return identify_program(file);
	if (strcmp(link, "anon_inode:bpf-map") == 0)
		return identify_map(file);
	return false;
}

static bool
add_file(struct files *files, const struct file *file)
{
	unsigned room = files->count < files->room ? files->room : files->room * 2 + 16;
	struct file *at = files->at;

	if (room != files->room)
		at = reallocarray(files->at, room, sizeof(*at));
	if (at == NULL)
		return false;
	files->at = at;
	files->room = room;
	files->at[files->count++] = *file;
	return true;
}

static void
free_files(struct files *files)
{
	free(files->at);
	*files = (struct files){ 0 };
}

static bool
add_entry(struct files *files, DIR *folder, const char *name)
{
	struct file file = { .fd = atoi(name) };
	char link[64];
	ssize_t length;

	length = readlinkat(dirfd(folder), name, link, sizeof(link) - 1);
	if (length < 0)
		return true; /* "..", or closed by another thread */
	link[length] = '\0';
	return !identify(&file, link) || add_file(files, &file);
}

/* What is open now. False: not to be had. */
static bool
list_files(struct files *files)
{
	DIR *folder = opendir("/proc/self/fd");
	struct dirent *entry;
	bool complete = folder != NULL;

	*files = (struct files){ 0 };
	while (complete && (entry = readdir(folder)) != NULL)
		complete = add_entry(files, folder, entry->d_name);
	if (folder != NULL)
		closedir(folder);
	if (!complete)
		free_files(files);
	return complete;
}

static bool
holds_object(const struct files *files, const struct file *file)
{
	for (unsigned i = 0; i < files->count; i++)
		if (files->at[i].kind == file->kind && files->at[i].id == file->id)
			return true;
	return false;
}

static bool
holds(const struct files *files, const struct file *file)
{
	for (unsigned i = 0; i < files->count; i++)
		if (files->at[i].fd == file->fd && files->at[i].kind == file->kind &&
			files->at[i].id == file->id)
			return true;
	return false;
}

/* ---- the device's ---------------------------------------------------------------------------
 */

static bool
program_uses(int program, uint64_t map)
{
	uint32_t maps[MAPS_LIMIT];
	struct bpf_prog_info info;

	memset(&info, 0, sizeof(info));
	info.map_ids = (uintptr_t)maps;
	info.nr_map_ids = MAPS_LIMIT;
	if (bpf_info(program, &info, sizeof(info)) < 0)
		return false;
	for (unsigned i = 0; i < RTE_MIN(info.nr_map_ids, (uint32_t)MAPS_LIMIT); i++)
		if (maps[i] == map)
			return true;
	return false;
}

/* A map is the device's if a program of the device uses it. */
static bool
is_own(const struct files *own, const struct file *file)
{
	if (file->kind != BPF_MAP)
		return true;
	for (unsigned i = 0; i < own->count; i++)
		if (own->at[i].kind == XDP_PROGRAM && program_uses(own->at[i].fd, file->id))
			return true;
	return false;
}

/* Of what is new: programs and sockets, then (maps) the maps. */
static bool
add_own(struct dpdk_afxdp *afxdp, const struct files *now, bool maps)
{
	for (unsigned i = 0; i < now->count; i++) {
		const struct file *file = &now->at[i];

		if ((file->kind == BPF_MAP) != maps || holds(&afxdp->before, file) ||
			!is_own(&afxdp->own, file))
			continue;
		if (!add_file(&afxdp->own, file))
			return false;
		/* a child process that inherits the socket would hold the queue */
		fcntl(file->fd, F_SETFD, FD_CLOEXEC);
	}
	return true;
}

static bool
is_promiscuous(unsigned interface)
{
	struct ifreq request;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool promiscuous;

	memset(&request, 0, sizeof(request));
	promiscuous = fd >= 0 && if_indextoname(interface, request.ifr_name) != NULL &&
		      ioctl(fd, SIOCGIFFLAGS, &request) == 0 &&
		      (request.ifr_flags & IFF_PROMISC) != 0;
	if (fd >= 0)
		close(fd);
	return promiscuous;
}

static void
await_release(void)
{
	struct timespec now;
	int64_t passed;

	clock_gettime(CLOCK_MONOTONIC, &now);
	passed = (int64_t)(now.tv_sec - last_close.tv_sec) * 1000000 +
		 (now.tv_nsec - last_close.tv_nsec) / 1000;
	if (last_close.tv_sec != 0 && passed < RELEASE_USECS)
		usleep((useconds_t)(RELEASE_USECS - passed));
}

struct dpdk_afxdp *
dpdk_afxdp_opening(uint16_t port, const struct rte_eth_dev_info *info)
{
	struct dpdk_afxdp *afxdp;

	if (strcmp(info->driver_name, "net_af_xdp") != 0)
		return NULL;
	afxdp = calloc(1, sizeof(*afxdp));
	if (afxdp == NULL)
		return NULL;
	await_release();
	afxdp->port = port;
	afxdp->was_promiscuous = is_promiscuous(info->if_index);
	if (!list_files(&afxdp->before)) {
		free(afxdp);
		return NULL;
	}
	return afxdp;
}

void
dpdk_afxdp_opened(struct dpdk_afxdp *afxdp, const struct rte_mempool *pool, bool started)
{
	struct files now;

	if (afxdp == NULL)
		return;
	afxdp->started = started;
	afxdp->kept = pool != NULL ? rte_mempool_in_use_count(pool) : 0;
	if (list_files(&now))
		afxdp->known = add_own(afxdp, &now, false) && add_own(afxdp, &now, true);
	if (!afxdp->known)
		log_warning("net_af_xdp: its files cannot be told, and stay open when it goes");
	free_files(&now);
	free_files(&afxdp->before);
}

/* What the kernel has sent is freed only when more is sent. */
static void
free_sent(uint16_t port)
{
	struct rte_eth_dev_info info;

	if (rte_eth_dev_info_get(port, &info) != 0)
		return;
	for (unsigned i = 0; i < SENT_LOOKS; i++) {
		for (uint16_t queue = 0; queue < info.nb_tx_queues; queue++)
			rte_eth_tx_burst(port, queue, NULL, 0);
		usleep(SENT_LOOK_USECS);
	}
}

void
dpdk_afxdp_closing(struct dpdk_afxdp *afxdp)
{
	if (afxdp == NULL)
		return;
	if (afxdp->started)
		free_sent(afxdp->port);
	if (!afxdp->was_promiscuous)
		rte_eth_promiscuous_disable(afxdp->port);
	afxdp->known = list_files(&afxdp->before) && afxdp->known;
}

/* True: still there, or opened at closing for an object of the device. */
static bool
is_left(const struct dpdk_afxdp *afxdp, const struct file *file)
{
	return holds(&afxdp->own, file) ||
	       (!holds(&afxdp->before, file) && holds_object(&afxdp->own, file));
}

unsigned
dpdk_afxdp_closed(struct dpdk_afxdp *afxdp)
{
	struct files now;
	unsigned kept = 0;

	if (afxdp == NULL)
		return 0;
	if (afxdp->known && list_files(&now)) {
		for (unsigned i = 0; i < now.count; i++)
			if (is_left(afxdp, &now.at[i]))
				close(now.at[i].fd);
		free_files(&now);
		kept = afxdp->kept;
		clock_gettime(CLOCK_MONOTONIC, &last_close);
	}
	free_files(&afxdp->before);
	free_files(&afxdp->own);
	free(afxdp);
	return kept;
}
