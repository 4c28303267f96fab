/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Cleans up after DPDK's net_af_xdp, which leaves behind when it is closed:
 *
 *	the AF_XDP socket	DPDK 22.11.11 closes it only if its buffers are shared by two queues
 *				(an off-by-one in the count of users). While it is open, the
 *				interface's queue is taken: a device added again gets EBUSY.
 *	a BPF program and map	libxdp forgets what it opened to count the users of its program.
 *	promiscuous mode	set at the interface itself, not at the socket.
 *	packet buffers		those that the kernel has to receive into do not come back to the
 *				pool: the pool's owner must know how many it need not wait for.
 *
 * What the driver opens is known by looking at the process's files before and after: AF_XDP
 * sockets, XDP programs and the maps of these. What of that is still there when the device has
 * been unplugged has no owner any more (the driver and libxdp have freed all that knew of it),
 * and is closed. Other files, whoever opens them meanwhile, are not touched; but a program that
 * embeds weft must not open AF_XDP sockets or XDP programs of its own in the very moment in
 * which such a device comes.
 *
 * The kernel lets go of the queue some ten milliseconds after the socket is closed: a device that
 * comes sooner waits in dpdk_afxdp_opening.
 *
 * A device that cannot be opened leaves buffers behind as well, so all this holds for it too.
 *
 * All calls: control or helper threads, one at a time (the plug lock of dpdk.c); all but the
 * first take NULL and do nothing then.
 */
#ifndef WEFT_NIC_DPDK_AFXDP_H
#define WEFT_NIC_DPDK_AFXDP_H

#include <rte_ethdev.h>

struct dpdk_afxdp;

/* Before the device is configured. NULL: it is of another driver, or there is no memory (then
 * things stay behind). */
struct dpdk_afxdp *dpdk_afxdp_opening(uint16_t port, const struct rte_eth_dev_info *info);
/* After it has been started, or could not be, and before there are packets. The pool, which no
 * other device uses, or NULL. */
void dpdk_afxdp_opened(struct dpdk_afxdp *afxdp, const struct rte_mempool *pool, bool started);
/* Before the port is stopped; no worker uses its queues any more. */
void dpdk_afxdp_closing(struct dpdk_afxdp *afxdp);
/* After the device has been unplugged; frees. Returns how many buffers the device took with it:
 * nobody reads or writes them any more. */
unsigned dpdk_afxdp_closed(struct dpdk_afxdp *afxdp);

#endif
