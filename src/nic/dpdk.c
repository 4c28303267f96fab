/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The dpdk vnic: any ethdev by its device arguments (net_pcap, net_null, net_ring,
 * net_af_xdp, physical devices), plugged when the vnic comes and unplugged when it goes.
 *
 * Memory
 *	Each device receives into a pool of its own (dpdk_pool.c), sized by its descriptors,
 *	so that one that is flooded does not take the buffers of the others.
 *
 * Waiting
 *	Where the device has receive interrupts, a queue is polled while packets come, and
 *	waits for the interrupt after POLLS_BEFORE_SLEEP empty looks; elsewhere it is polled
 *	(nic_queue.polled), and the worker's naps bound what an idle device costs.
 */
#include "base/error.h"
#include "base/log.h"
#include "graph/engine.h"
#include "graph/waiter.h"
#include "nic/dpdk_afxdp.h"
#include "nic/dpdk_offload.h"
#include "nic/dpdk_pool.h"
#include "nic/drivers.h"

#include <errno.h>
#include <pthread.h>
#include <rte_bus.h>
#include <rte_dev.h>
#include <rte_devargs.h>
#include <rte_ethdev.h>
#include <rte_interrupts.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define MTU_DEFAULT 1500
#define DESCRIPTORS 512 /* a queue, each way, unless the driver likes more */
#define POLLS_BEFORE_SLEEP 64
#define BURST_LEAST 8 /* drivers that work on vectors give nothing to those who ask for less */
/* What is thrown away at most when a queue stops; a device may have packets without end. */
#define DRAIN_LIMIT 16384

struct dpdk_queue {
	struct wait_source source; /* the interrupt's epoll set; first member */
	struct nic_queue *queue;
	uint16_t port, index;
	bool transmit_offloads; /* the device does some: see dpdk_offload_transmit */
	bool interrupts;
	int epoll;            /* DPDK's epoll set for the interrupt, or -1 */
	unsigned empty_polls; /* in a row */
};

struct dpdk_nic {
	uint16_t port;
	struct rte_device *device;
	struct rte_mempool *pool;
	struct dpdk_afxdp *afxdp; /* NULL but for net_af_xdp */
	struct dpdk_queue queues[NIC_QUEUE_LIMIT];
};

/* Plugging and unplugging are not for several threads; vnics open and close at the same time. */
static pthread_mutex_t plug_lock = PTHREAD_MUTEX_INITIALIZER;

/* ---- packets ----------------------------------------------------------------------------------
 */

/* Worker. Lets the device tell of packets; what came before that is for another look. */
static void
await_interrupt(struct dpdk_queue *dpdk)
{
	if (rte_eth_dev_rx_intr_enable(dpdk->port, dpdk->index) == 0)
		dpdk->queue->polled = false;
}

static void
resume_polling(struct dpdk_queue *dpdk)
{
	dpdk->empty_polls = 0;
	if (dpdk->queue->polled)
		return;
	rte_eth_dev_rx_intr_disable(dpdk->port, dpdk->index);
	dpdk->queue->polled = true;
}

static void
interrupt_ready(struct wait_source *source, struct worker *worker, int32_t result, uint32_t flags)
{
	struct dpdk_queue *dpdk = (struct dpdk_queue *)source;
	struct rte_epoll_event event;

	/* consumes the event, as the device's kind of fd needs it */
	while (rte_epoll_wait(dpdk->epoll, &event, 1, 0) > 0)
		;
	resume_polling(dpdk);
	nic_queue_ready(worker, dpdk->queue);
}

static unsigned
dpdk_receive(
	struct nic_queue *queue, struct worker *worker, struct rte_mbuf **packets, unsigned count)
{
	struct dpdk_queue *dpdk = queue->driver_state;
	unsigned received = rte_eth_rx_burst(dpdk->port, dpdk->index, packets, (uint16_t)count);

	if (received == 0 && dpdk->interrupts && ++dpdk->empty_polls >= POLLS_BEFORE_SLEEP) {
		await_interrupt(dpdk);
		received = rte_eth_rx_burst(dpdk->port, dpdk->index, packets, (uint16_t)count);
	}
	if (received > 0 && dpdk->interrupts)
		resume_polling(dpdk);
	return dpdk_offload_receive(worker, queue->nic, packets, received);
}

static void
dpdk_transmit(
	struct nic_queue *queue, struct worker *worker, struct rte_mbuf **packets, unsigned count)
{
	struct dpdk_queue *dpdk = queue->driver_state;
	unsigned sent;

	if (dpdk->transmit_offloads)
		count = dpdk_offload_transmit(
			worker, queue->nic, dpdk->port, dpdk->index, packets, count);
	sent = rte_eth_tx_burst(dpdk->port, dpdk->index, packets, (uint16_t)count);
	for (; unlikely(sent < count); sent++)
		nic_transmit_drop(worker, queue->nic, DROP_TRANSMIT_FULL, packets[sent]);
}

/* ---- queues -----------------------------------------------------------------------------------
 */

/* True: the queue waits for interrupts from now on. */
static bool
set_up_interrupt(struct dpdk_queue *dpdk, struct worker *worker)
{
	uint16_t port = dpdk->port, index = dpdk->index;

	if (worker->weft->options.poll == WEFT_POLL_BUSY ||
		rte_eth_dev_rx_intr_enable(port, index) != 0)
		return false;
	rte_eth_dev_rx_intr_disable(port, index);
	dpdk->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (dpdk->epoll < 0)
		return false;
	if (rte_eth_dev_rx_intr_ctl_q(port, index, dpdk->epoll, RTE_INTR_EVENT_ADD, NULL) == 0) {
		dpdk->source.ready = interrupt_ready;
		if (waiter_watch(worker->waiter, dpdk->epoll, &dpdk->source) == 0)
			return true;
		rte_eth_dev_rx_intr_ctl_q(port, index, dpdk->epoll, RTE_INTR_EVENT_DEL, NULL);
	}
	close(dpdk->epoll);
	dpdk->epoll = -1;
	return false;
}

static int
dpdk_start(struct nic_queue *queue, struct worker *worker)
{
	struct dpdk_nic *state = queue->nic->driver_state;
	struct dpdk_queue *dpdk = &state->queues[queue->index];

	dpdk->queue = queue;
	queue->driver_state = dpdk;
	dpdk->interrupts = set_up_interrupt(dpdk, worker);
	queue->polled = true;
	queue->burst_least = BURST_LEAST;
	nic_queue_ready(worker, queue);
	return 0;
}

/* Packets that the device holds would keep the pool from being freed. */
static void
drain(const struct dpdk_queue *dpdk)
{
	struct rte_mbuf *packets[NIC_BURST];
	unsigned total = 0, count;

	do {
		count = rte_eth_rx_burst(dpdk->port, dpdk->index, packets, NIC_BURST);
		rte_pktmbuf_free_bulk(packets, count);
		total += count;
	} while (count > 0 && total < DRAIN_LIMIT);
}

static bool
dpdk_stop(struct nic_queue *queue, struct worker *worker)
{
	struct dpdk_queue *dpdk = queue->driver_state;

	if (dpdk->interrupts) {
		waiter_unwatch(worker->waiter, dpdk->epoll, &dpdk->source);
		rte_eth_dev_rx_intr_disable(dpdk->port, dpdk->index);
		rte_eth_dev_rx_intr_ctl_q(
			dpdk->port, dpdk->index, dpdk->epoll, RTE_INTR_EVENT_DEL, NULL);
		close(dpdk->epoll);
		dpdk->interrupts = false;
	}
	queue->polled = false;
	drain(dpdk);
	return true;
}

/* ---- the device -------------------------------------------------------------------------------
 */

static bool
ports_full(void)
{
	for (uint16_t port = 0; port < RTE_MAX_ETHPORTS; port++)
		if (!rte_eth_dev_is_valid_port(port))
			return false;
	return true;
}

/* Marks the port as this vnic's, so that no other takes it. */
static int
claim(struct weft_nic *nic, uint16_t port)
{
	struct rte_eth_dev_owner owner;

	if (rte_eth_dev_owner_get(port, &owner) != 0 || owner.id != RTE_ETH_DEV_NO_OWNER)
		return -1;
	if (rte_eth_dev_owner_new(&owner.id) != 0)
		return -1;
	snprintf(owner.name, sizeof(owner.name), "%s", nic->name);
	return rte_eth_dev_owner_set(port, &owner) == 0 ? 0 : -1;
}

/* Finds the port of the device, plugging the device in if it is not there. */
static enum nic_result
plug(struct weft_nic *nic, uint16_t *port, struct weft_error *error)
{
	const char *devargs = nic->config->devargs;
	struct rte_devargs parsed;
	int code;

	memset(&parsed, 0, sizeof(parsed));
	if (devargs == NULL || rte_devargs_parse(&parsed, devargs) != 0 || *parsed.name == '\0') {
		free(parsed.data);
		error_set(error, EINVAL,
			"device arguments '%s' name no device that DPDK knows (like "
			"net_pcap0,rx_pcap=FILE or 0000:03:00.0)",
			devargs != NULL ? devargs : "");
		return NIC_FAILED;
	}
	free(parsed.data); /* rte_devargs_reset() is not in the stable ABI yet */
	if (rte_eth_dev_get_port_by_name(parsed.name, port) != 0) {
		if (ports_full()) {
			error_set(error, ENOSPC,
				"%s: DPDK has room for %d devices, and all are taken", parsed.name,
				RTE_MAX_ETHPORTS);
			return NIC_FAILED;
		}
		code = rte_dev_probe(devargs);
		if (code == 0)
			code = rte_eth_dev_get_port_by_name(parsed.name, port);
		if (code != 0) {
			error_set(error, -code, "%s: DPDK cannot open the device (%s)", devargs,
				code == -1 ? "its log lines tell why" : strerror(-code));
			return NIC_ABSENT;
		}
	}
	if (claim(nic, *port) < 0) {
		error_set(error, EBUSY, "%s is the device of another vnic", parsed.name);
		return NIC_FAILED;
	}
	return NIC_OK;
}

static uint16_t
count_queues(const struct weft_nic *nic, const struct rte_eth_dev_info *info)
{
	unsigned count = nic->config->queues != 0 ? nic->config->queues : nic->weft->n_workers;

	count = RTE_MIN(count, nic->weft->n_workers);
	count = RTE_MIN(count, (unsigned)NIC_QUEUE_LIMIT);
	count = RTE_MIN(count, (unsigned)info->max_rx_queues);
	count = RTE_MIN(count, (unsigned)info->max_tx_queues);
	return (uint16_t)RTE_MAX(count, 1u);
}

static void
fill_port_config(struct weft_nic *nic, const struct rte_eth_dev_info *info, uint16_t queues,
	bool interrupts, struct rte_eth_conf *config)
{
	*config = (struct rte_eth_conf){ .intr_conf.rxq = interrupts };
	config->rxmode.mtu = nic->mtu;
	config->rxmode.offloads = info->rx_offload_capa &
				  (RTE_ETH_RX_OFFLOAD_TCP_CKSUM | RTE_ETH_RX_OFFLOAD_UDP_CKSUM |
					  RTE_ETH_RX_OFFLOAD_IPV4_CKSUM);
	if (nic->mtu + DPDK_FRAME_OVERHEAD > PACKET_SMALL_ROOM)
		config->rxmode.offloads |= info->rx_offload_capa & RTE_ETH_RX_OFFLOAD_SCATTER;
	config->txmode.offloads = info->tx_offload_capa & DPDK_TRANSMIT_OFFLOADS;
	if (queues > 1 && info->flow_type_rss_offloads != 0) {
		config->rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
		config->rx_adv_conf.rss_conf.rss_hf =
			info->flow_type_rss_offloads &
			(RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP | RTE_ETH_RSS_UDP);
	}
}

static enum nic_result
set_up_queues(struct weft_nic *nic, struct dpdk_nic *state, const struct rte_eth_dev_info *info,
	uint16_t queues, const struct rte_eth_conf *config, struct weft_error *error)
{
	uint16_t received = RTE_MAX(info->default_rxportconf.ring_size, (uint16_t)DESCRIPTORS);
	uint16_t sent = RTE_MAX(info->default_txportconf.ring_size, (uint16_t)DESCRIPTORS);
	uint16_t port = state->port;
	int socket = rte_eth_dev_socket_id(port), code;
	struct rte_eth_txconf transmit = info->default_txconf;
	struct rte_eth_rxconf receive = info->default_rxconf;

	rte_eth_dev_adjust_nb_rx_tx_desc(port, &received, &sent);
	if (state->pool == NULL)
		state->pool = dpdk_pool_take(nic, info, queues * (received + sent), error);
	if (state->pool == NULL)
		return NIC_FAILED;
	transmit.offloads = config->txmode.offloads;
	receive.offloads = config->rxmode.offloads;
	for (uint16_t i = 0; i < queues; i++) {
		code = rte_eth_rx_queue_setup(
			port, i, received, (unsigned)socket, &receive, state->pool);
		if (code == 0)
			code = rte_eth_tx_queue_setup(port, i, sent, (unsigned)socket, &transmit);
		if (code != 0) {
			error_errno(error, -code, "%s: queue %u cannot be set up",
				nic->config->devargs, i);
			return NIC_ABSENT;
		}
		state->queues[i] = (struct dpdk_queue){
			.port = port,
			.index = i,
			.transmit_offloads =
				config->txmode.offloads & ~(uint64_t)RTE_ETH_TX_OFFLOAD_MULTI_SEGS,
			.epoll = -1,
		};
	}
	return NIC_OK;
}

static enum nic_result
bring_up(struct weft_nic *nic, struct dpdk_nic *state, const struct rte_eth_dev_info *info,
	bool interrupts, struct weft_error *error)
{
	uint16_t queues = count_queues(nic, info);
	struct rte_eth_conf config;
	enum nic_result result;
	int code;

	fill_port_config(nic, info, queues, interrupts, &config);
	code = rte_eth_dev_configure(state->port, queues, queues, &config);
	if (code != 0) {
		error_errno(error, -code, "%s: DPDK cannot configure it for %u queue%s",
			nic->config->devargs, queues, queues == 1 ? "" : "s");
		return NIC_ABSENT;
	}
	result = set_up_queues(nic, state, info, queues, &config, error);
	if (result != NIC_OK)
		return result;
	code = rte_eth_dev_start(state->port);
	if (code != 0) {
		error_errno(error, -code, "%s: does not start", nic->config->devargs);
		return NIC_ABSENT;
	}
	nic->n_queues = queues;
	nic->offloads = dpdk_offload_capabilities(config.txmode.offloads);
	return NIC_OK;
}

/* EAL's interrupt thread. */
static int
device_removed(uint16_t port, enum rte_eth_event_type event, void *context, void *result)
{
	nic_lost(context);
	return 0;
}

static void
close_device(struct weft_nic *nic)
{
	struct dpdk_nic *state = nic->driver_state;
	unsigned kept;

	rte_eth_dev_callback_unregister(state->port, RTE_ETH_EVENT_INTR_RMV, device_removed, nic);
	dpdk_afxdp_closing(state->afxdp);
	rte_eth_dev_stop(state->port);
	rte_eth_dev_close(state->port);
	if (rte_dev_remove(state->device) != 0)
		log_warning("%s: DPDK could not unplug the device", nic->config->devargs);
	kept = dpdk_afxdp_closed(state->afxdp); /* the kernel writes into the pool till then */
	if (state->pool != NULL)
		dpdk_pool_give(nic->weft, state->pool, kept);
	free(state);
	nic->driver_state = NULL;
}

static enum nic_result
open_device(struct weft_nic *nic, struct weft_error *error)
{
	struct dpdk_nic *state = calloc(1, sizeof(*state));
	struct rte_eth_dev_info info;
	enum nic_result result;

	if (state == NULL) {
		error_memory(error);
		return NIC_FAILED;
	}
	result = plug(nic, &state->port, error);
	if (result != NIC_OK) {
		free(state);
		return result;
	}
	nic->driver_state = state;
	rte_eth_dev_info_get(state->port, &info);
	state->device = info.device;
	nic->mtu = nic->config->mtu != 0 ? nic->config->mtu : MTU_DEFAULT;
	rte_eth_macaddr_get(state->port, (struct rte_ether_addr *)nic->mac);
	state->afxdp = dpdk_afxdp_opening(state->port, &info);
	/* a device may say that it has interrupts, and then not start with them */
	result = bring_up(nic, state, &info, true, error);
	if (result == NIC_ABSENT)
		result = bring_up(nic, state, &info, false, error);
	dpdk_afxdp_opened(state->afxdp, state->pool, result == NIC_OK);
	if (result != NIC_OK) {
		close_device(nic);
		return result;
	}
	rte_eth_promiscuous_enable(state->port);
	rte_eth_allmulticast_enable(state->port);
	rte_eth_dev_callback_register(state->port, RTE_ETH_EVENT_INTR_RMV, device_removed, nic);
	return NIC_OK;
}

static enum nic_result
dpdk_open(struct weft_nic *nic, struct weft_error *error)
{
	enum nic_result result;

	pthread_mutex_lock(&plug_lock);
	result = open_device(nic, error);
	pthread_mutex_unlock(&plug_lock);
	return result;
}

static void
dpdk_close(struct weft_nic *nic)
{
	pthread_mutex_lock(&plug_lock);
	close_device(nic);
	pthread_mutex_unlock(&plug_lock);
}

static enum nic_result
dpdk_check(struct weft_nic *nic, struct weft_error *error)
{
	struct dpdk_nic *state = nic->driver_state;
	struct rte_eth_link link;

	if (rte_eth_dev_is_removed(state->port)) {
		error_set(error, ENODEV, "%s: the device was removed", nic->config->devargs);
		return NIC_ABSENT;
	}
	if (rte_eth_link_get_nowait(state->port, &link) == 0 &&
		link.link_status == RTE_ETH_LINK_DOWN) {
		error_set(error, ENETDOWN, "%s: the link is down", nic->config->devargs);
		return NIC_FAILED;
	}
	return NIC_OK;
}

static enum nic_result
dpdk_update(struct weft_nic *nic, const struct weft_nic_config *old, struct weft_error *error)
{
	struct dpdk_nic *state = nic->driver_state;
	uint32_t mtu = nic->config->mtu != 0 ? nic->config->mtu : MTU_DEFAULT;

	if (strcmp(nic->config->devargs, old->devargs) != 0 || nic->config->queues != old->queues)
		return NIC_ABSENT;
	if (mtu == nic->mtu)
		return NIC_OK;
	/* a larger one may need other buffers */
	if (mtu > nic->mtu || rte_eth_dev_set_mtu(state->port, (uint16_t)mtu) != 0)
		return NIC_ABSENT;
	nic->mtu = mtu;
	return NIC_OK;
}

const struct nic_driver dpdk_driver = {
	.name = "dpdk",
	.kind = WEFT_NIC_DPDK,
	.open = dpdk_open,
	.close = dpdk_close,
	.check = dpdk_check,
	.update = dpdk_update,
	.start = dpdk_start,
	.stop = dpdk_stop,
	.receive = dpdk_receive,
	.transmit = dpdk_transmit,
};
