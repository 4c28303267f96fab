/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A firewall of two workers, each of which receives one of its sides: both directions of a
 * connection come to one of them, and the fragments of a datagram, or the rules would refuse the
 * replies; nothing is lost or doubled, and no packet of a flow overtakes another.
 */
#include "../firewall_fixture.h"
#include "base/clock.h"

#include <unistd.h>

#define FLOWS 1024
#define BLOCK 16 /* flows of which frames come in turn */
#define ROUNDS 8 /* frames of each flow in a step, at most */
#define FIRST_PORT 1000
#define SERVICE 80
#define PIECE 480
#define PATIENCE (20 * SECOND)

/* What one side sends: so many frames of each flow, in turn with those of some others. */
struct step {
	enum side side;
	size_t (*make)(uint8_t *frame, const struct step *step, unsigned flow, unsigned round);
	unsigned rounds;
	uint8_t family, flags; /* of TCP */
	uint32_t sequence, acknowledged;
};

static struct bench_firewall bench;
static unsigned next_round[FLOWS]; /* of the step, to arrive */
static unsigned arrived;

/* ---- frames -----------------------------------------------------------------------------------
 */

static unsigned
l3_length(uint8_t family)
{
	return family == 4 ? 20 : 40;
}

static uint16_t
port_of(enum side side, bool is_source, unsigned flow)
{
	return (side == OUT) == is_source ? (uint16_t)(FIRST_PORT + flow) : SERVICE;
}

static size_t
make_numbered(uint8_t *frame, const struct step *step, unsigned flow, unsigned round)
{
	struct make_ends ends = ends_of(step->side, 1, 1, step->family);
	uint8_t payload[2] = { (uint8_t)round };

	return make_udp(frame, &ends, port_of(step->side, true, flow),
		port_of(step->side, false, flow), payload, sizeof(payload));
}

static size_t
make_segment(uint8_t *frame, const struct step *step, unsigned flow, unsigned round)
{
	struct make_ends ends = ends_of(step->side, 1, 1, step->family);

	(void)round;
	return make_tcp(frame, &ends, port_of(step->side, true, flow),
		port_of(step->side, false, flow), step->sequence, step->acknowledged, step->flags);
}

/* Of a datagram in three of them; the flow is in its id, too. */
static size_t
make_piece(uint8_t *frame, const struct step *step, unsigned flow, unsigned round)
{
	struct make_ends ends = ends_of(step->side, 2, 2, 4);
	uint8_t whole[MAKE_LONG_SIZE], payload[1200];
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)(frame + 14);
	size_t length, from = 34 + round * PIECE, size;

	memset(payload, (int)flow, sizeof(payload));
	length = make_long_udp(whole, &ends, port_of(step->side, true, flow),
		port_of(step->side, false, flow), payload, sizeof(payload));
	size = length - from < PIECE ? length - from : PIECE;
	memcpy(frame, whole, 34);
	memcpy(frame + 34, whole + from, size);
	ip->packet_id = rte_cpu_to_be_16((uint16_t)flow);
	ip->total_length = rte_cpu_to_be_16((uint16_t)(20 + size));
	ip->fragment_offset = rte_cpu_to_be_16(
		(uint16_t)(round * PIECE / 8) | (round < 2 ? RTE_IPV4_HDR_MF_FLAG : 0));
	ip->hdr_checksum = 0;
	ip->hdr_checksum = rte_ipv4_cksum(ip);
	return 34 + size;
}

/* ---- what arrives ------------------------------------------------------------------------------
 */

static unsigned
flow_of(const uint8_t *frame, const struct step *step)
{
	const uint8_t *l4 = frame + 14 + l3_length(step->family);
	unsigned from = (unsigned)l4[0] << 8 | l4[1], to = (unsigned)l4[2] << 8 | l4[3];

	if (step->make == make_piece)
		return (unsigned)frame[18] << 8 | frame[19];
	return (step->side == OUT ? from : to) - FIRST_PORT;
}

/* It is the next of its flow, as it was sent. */
static void
take(const struct step *step)
{
	uint8_t frame[BUFFER], sent[BUFFER];
	size_t length;

	while ((length = weft_nic_receive(bench.nics[!step->side], frame, sizeof(frame))) > 0) {
		unsigned flow = flow_of(frame, step);

		assert_true(flow < FLOWS && next_round[flow] < step->rounds);
		assert_int_equal(step->make(sent, step, flow, next_round[flow]), length);
		assert_memory_equal(frame, sent, length);
		next_round[flow]++;
		arrived++;
	}
}

static void
do_step(const struct step *step)
{
	uint64_t end = clock_monotonic() + PATIENCE;
	uint8_t frame[BUFFER];

	memset(next_round, 0, sizeof(next_round));
	arrived = 0;
	for (unsigned i = 0; i < FLOWS * step->rounds; i++) {
		unsigned flow = i / (BLOCK * step->rounds) * BLOCK + i % BLOCK;
		size_t length = step->make(frame, step, flow, i / BLOCK % step->rounds);

		/* so few under way that no ring is full */
		while (i - arrived > 200 && clock_monotonic() < end)
			take(step);
		assert_int_equal(weft_nic_send(bench.nics[step->side], frame, length), 0);
		take(step);
	}
	while (arrived < FLOWS * step->rounds && clock_monotonic() < end)
		take(step);
	assert_int_equal(arrived, FLOWS * step->rounds);
}

/* ---- the test ----------------------------------------------------------------------------------
 */

static bool
count_worker(void *context, const struct firewall_connection *connection)
{
	unsigned *counts = context;

	counts[connection->worker]++;
	return true;
}

static void
wait_for_connections(unsigned count)
{
	uint64_t end = clock_monotonic() + PATIENCE;

	while (connections_of(&bench) != count && clock_monotonic() < end) {
		weft_tick(lab);
		weft_poll(lab);
		usleep(1000);
	}
	assert_int_equal(connections_of(&bench), count);
}

static void
talk_udp(void)
{
	for (uint8_t family = 4; family <= 6; family += 2) {
		do_step(&(const struct step){ OUT, make_numbered, ROUNDS, family });
		do_step(&(const struct step){ IN, make_numbered, ROUNDS, family });
		do_step(&(const struct step){ OUT, make_numbered, ROUNDS, family });
	}
	assert_int_equal(connections_of(&bench), 2 * FLOWS);
}

static void
talk_in_pieces(void)
{
	do_step(&(const struct step){ OUT, make_piece, 3, 4 });
	do_step(&(const struct step){ IN, make_piece, 3, 4 });
	assert_int_equal(connections_of(&bench), 3 * FLOWS);
}

static void
talk_tcp(void)
{
	const uint8_t syn = RTE_TCP_SYN_FLAG, ack = RTE_TCP_ACK_FLAG, fin = RTE_TCP_FIN_FLAG;
	const struct step steps[] = {
		{ OUT, make_segment, 1, 4, syn, 1000, 0 },
		{ IN, make_segment, 1, 4, syn | ack, 5000, 1001 },
		{ OUT, make_segment, 1, 4, ack, 1001, 5001 },
		{ IN, make_segment, 1, 4, fin | ack, 5001, 1001 },
		{ OUT, make_segment, 1, 4, ack, 1001, 5002 },
		{ OUT, make_segment, 1, 4, fin | ack, 1001, 5002 },
		{ IN, make_segment, 1, 4, ack, 5002, 1002 },
	};

	for (unsigned i = 0; i < RTE_DIM(steps); i++)
		do_step(&steps[i]);
	assert_int_equal(connections_of(&bench), 4 * FLOWS);
}

static unsigned
buffers_in_use(void)
{
	return rte_mempool_in_use_count(lab->pools.small) +
	       rte_mempool_in_use_count(lab->pools.large);
}

static void
test_both_directions(void **state)
{
	const struct weft_rule rules[] = { { .name = "out", .from = only_out, .n_from = 1 } };
	struct weft_options options = { .workers = 2, .memory_mb = 64 };
	unsigned counts[2] = { 0 };
	struct weft_error error;

	(void)state;
	lab = weft_open(&options, &error);
	if (lab == NULL)
		fail_msg("%s", error.text);
	bench = lab_firewall("red", DROP_ALL, rules, 1);
	assert_int_not_equal(bench.nics[0]->queues[0]->worker, bench.nics[1]->queues[0]->worker);
	talk_udp();
	talk_in_pieces();
	talk_tcp();
	firewall_each_connection(lab, &(const struct connection_filter){ 0 }, count_worker, counts);
	print_message("%u connections of one worker, %u of the other\n", counts[0], counts[1]);
	assert_int_equal(counts[0] + counts[1], 4 * FLOWS);
	assert_true(counts[0] > FLOWS && counts[1] > FLOWS);
	/* other rules end all of them */
	set_rules(&bench, NULL, 0);
	wait_for_connections(0);
	for (unsigned i = 0; i < 2000 && buffers_in_use() > 0; i++)
		usleep(1000);
	assert_int_equal(buffers_in_use(), 0);
	weft_close(lab);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_both_directions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
