/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Network namespaces: opening them by whatever name they have, and named ones as
 * `ip netns` makes them (a bind mount under /run/netns).
 *
 * A namespace that weft makes carries a mark inside it, the alias of its loopback interface
 * ("weft:INSTANCE"). So it is known which ones weft may remove, also after a crash, and the
 * mark goes with the namespace: one of the same name that somebody else made has none.
 *
 * Functions return -1 with errno set and the error filled. They may block; control threads
 * only. The calling thread's own namespace never changes.
 */
#ifndef WEFT_NIC_NETNS_H
#define WEFT_NIC_NETNS_H

#include <stdbool.h>
#include <sys/types.h>
#include <weft/weft.h>

#define NETNS_FOLDER "/run/netns"

/* The kernel's identity of a namespace; not used again as long as somebody has it open. */
struct netns_identity {
	dev_t device;
	ino_t inode;
};

/* The namespace's fd. errno ENOENT: it is not there (yet). name is not used for HOST. */
int netns_open(enum weft_netns_kind kind, const char *name, struct weft_error *error);

/* What netns_open would open now, without opening it. */
int netns_identify(enum weft_netns_kind kind, const char *name, struct netns_identity *identity,
	struct weft_error *error);
int netns_identify_fd(int fd, struct netns_identity *identity, struct weft_error *error);

/*
 * Whether netns_open would still open the namespace of that identity. An fd inside keeps a
 * namespace alive, so its end is seen by its name only. errno ENOENT: the name leads nowhere,
 * or to another namespace now.
 */
int netns_check(enum weft_netns_kind kind, const char *name, const struct netns_identity *identity,
	struct weft_error *error);

/*
 * Runs function(argument) inside the namespace, on a thread of its own, and returns what it
 * returns, with the errno that it left.
 */
int netns_call(int fd, int (*function)(void *argument), void *argument, struct weft_error *error);

/*
 * Makes a named namespace with loopback up and the mark. 1: made; 0: was there already,
 * whoever made it.
 */
int netns_make(const char *name, const char *mark, struct weft_error *error);

/* 1: carries the mark; 0: does not. */
int netns_has_mark(int fd, const char *mark, struct weft_error *error);

/* Takes the name away; the namespace goes when nobody is in it any more. Not there: success. */
int netns_remove(const char *name, struct weft_error *error);

/* A name fit for /run/netns: not empty, no '/', not "." or "..", at most 255 bytes. */
bool netns_name_valid(const char *name);

#endif
