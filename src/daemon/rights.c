/* SPDX-License-Identifier: BSD-3-Clause */
#include "daemon/rights.h"

#include "base/error.h"
#include "base/log.h"

#include <cap-ng.h>
#include <errno.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

static const struct {
	int capability;
	bool devices; /* only for PCI devices */
} kept[] = {
	{ CAP_NET_ADMIN, false },       /* taps, links, addresses, routes */
	{ CAP_NET_RAW, false },         /* AF_PACKET */
	{ CAP_SYS_ADMIN, false },       /* entering and making network namespaces */
	{ CAP_SYS_PTRACE, false },      /* namespaces of processes of other users */
	{ CAP_DAC_READ_SEARCH, false }, /* and their files under /proc */
	{ CAP_IPC_LOCK, false },        /* AF_XDP, memory of packets */
	{ CAP_BPF, false },             /* AF_XDP */
	{ CAP_SYS_RAWIO, true },
	{ CAP_DAC_OVERRIDE, true },
};

int
rights_drop(bool devices, struct weft_error *error)
{
	bool had[sizeof(kept) / sizeof(kept[0])];

	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
		had[i] = capng_have_capability(CAPNG_PERMITTED, (unsigned)kept[i].capability);
	if (!had[0] || !had[2])
		log_warning("weftd has not the rights to make interfaces or namespaces: start it "
			    "as root, or with the capabilities net_admin, net_raw, sys_admin");
	capng_clear(CAPNG_SELECT_BOTH);
	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
		if (had[i] && (devices || !kept[i].devices))
			capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED,
				(unsigned)kept[i].capability);
	if (capng_apply(CAPNG_SELECT_CAPS) < 0)
		return error_set(error, EPERM, "the rights that weftd needs not cannot be dropped");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return error_errno(error, errno, "cannot give up new rights");
	/* a change of capabilities makes a process not dumpable, and its /proc files root's */
	prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	return 0;
}

void
rights_raise_limits(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur == limit.rlim_max)
		return;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		log_warning("the limit of open files stays as it is: %s", strerror(errno));
}
