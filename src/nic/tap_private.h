/* SPDX-License-Identifier: BSD-3-Clause */
/* What the parts of the tap driver know of each other. */
#ifndef WEFT_NIC_TAP_PRIVATE_H
#define WEFT_NIC_TAP_PRIVATE_H

#include "graph/nic.h"
#include "graph/waiter.h"
#include "nic/netlink.h"
#include "nic/netns.h"
#include "nic/tap.h"
#include "packet/offload.h"

struct tap;
struct tap_worker;

/* One fd of the tap. The worker that owns it writes, between start and stop. */
struct tap_queue {
	struct wait_source source; /* reads, or the watch */
	struct nic_queue *queue;
	struct tap_worker *io; /* of the worker that it runs on */
	int fd;
	bool plain;            /* read calls and a watch; false: multishot reads in the ring */
	bool armed;            /* a multishot read is under way */
	bool stopping, failed; /* not to be armed again */
	bool starving;         /* in tap_worker->starving */
	bool direct;           /* read when its share's turn comes, until it is empty */
	bool empty;            /* as the last batch of reads found it */
	unsigned under_way;    /* reads of that batch */
	struct wait_source direct_source; /* of that batch */
	struct tap_queue *next_starving;
	uint16_t first, last; /* filled buffers, by slot; TAP_NO_SLOT: none */
};

#define TAP_NO_SLOT 0xffff

/* What one worker has under way on one tap, written by that worker alone. */
struct tap_sender {
	unsigned under_way;
	bool used;
} __attribute__((aligned(64)));

struct tap {
	struct weft_nic *nic;
	struct tap_sender *senders; /* by worker */
	struct tap_queue queues[NIC_QUEUE_LIMIT];

	/* control side */
	char interface[IFNAMSIZ];
	char mark[NETLINK_ALIAS_SIZE];
	struct netns_identity netns;
	struct netlink netlink; /* inside the namespace */
	unsigned index;         /* of the interface */
	int fds[NIC_QUEUE_LIMIT];
	unsigned n_fds;
	bool persistent;  /* to be removed with the last fd */
	bool taken_back;  /* was there before: a change that fails leaves it there */
	char *netns_made; /* name of the namespace that weft made for it, or NULL */
	/* the last check found it as configured: what differs now, somebody has changed */
	bool as_configured;
};

/* ---- tap_mark.c: whose it is ----------------------------------------------------------------- */

/* "weft:INSTANCE" */
const char *tap_netns_mark(void);
/* "weft:INSTANCE:NETWORK/NIC", cut to what an alias holds; cut ones end with a hash. */
void tap_mark(const struct weft_nic *nic, char mark[NETLINK_ALIAS_SIZE]);
bool tap_mark_is_ours(const char *alias);
/* An instance is set: taps outlive the process. */
bool tap_persistent(void);
/* The interface's name: configured, or the vnic's, cut to 15 bytes, with '_' for what an
 * interface's name cannot have. */
void tap_interface_name(const struct weft_nic *nic, char name[IFNAMSIZ]);

/* ---- tap_device.c: the kernel device -----------------------------------------------------------
 */

/* Opens tap->netlink and tap->n_fds fds inside the namespace, makes the tap or takes the one
 * of an earlier process back, and sets what may not wait. tap_close_device undoes it. */
enum nic_result tap_open_device(struct tap *tap, int netns_fd, struct weft_error *error);
/* Compares with the configuration and mends. */
enum nic_result tap_reconcile(struct tap *tap, struct weft_error *error);

/* ---- tap_close.c: closing takes the kernel 20 ms each -------------------------------------------
 */

/* Closes what the tap has open in the kernel, on a helper thread. */
void tap_close_device(struct tap *tap, bool remove_netns);
/* Returns when no tap of that name in that namespace is being closed any more. */
void tap_wait_closed(const struct netns_identity *netns, const char *interface);

/* ---- tap_netns.c: namespaces that weft made
 * ------------------------------------------------------ */

/* Makes it if it is not there. Sets *made to a copy of the name if it is weft's own. */
int tap_netns_get(const char *name, char **made, struct weft_error *error);
/* Gives it back; the last one removes it if `remove`. Frees the name. May block. */
void tap_netns_put(char *made, bool remove);
/* One that vnics have, or had before they were opened anew. */
bool tap_netns_in_use(const char *name);
/* Removes those that nobody has any more. */
void tap_netns_sweep(void);

/* ---- tap_io.c: packets --------------------------------------------------------------------------
 */

int tap_start(struct nic_queue *queue, struct worker *worker);
bool tap_stop(struct nic_queue *queue, struct worker *worker);
bool tap_worker_drain(struct weft_nic *nic, struct worker *worker);
unsigned tap_receive(
	struct nic_queue *queue, struct worker *worker, struct rte_mbuf **packets, unsigned count);
void tap_transmit(
	struct nic_queue *queue, struct worker *worker, struct rte_mbuf **packets, unsigned count);

#endif
