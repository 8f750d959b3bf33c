/* What a picture of the run needs: who said what and when, who heard it, and what became of everybody. */
#ifndef SIM_STORY_H
#define SIM_STORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum story_kind { KIND_OPERATION, KIND_JOIN, KIND_HANDOVER, KIND_VIEW, KIND_DEATH, KIND_COUNT };

struct story_message {
	enum story_kind kind;
	uint32_t lane;
	uint32_t op;  /* index + 1 */
	bool routine; /* said again and again: counted, not drawn */
	unsigned heard;
	uint64_t place;
	char label[72];
};

enum story_type {
	STORY_SENT,    /* message */
	STORY_HEARD,   /* message */
	STORY_UNSENT,  /* message: lost on its way to the broker */
	STORY_UNHEARD, /* message: lost on its way from it */
	STORY_START,
	STORY_STATE,  /* value: enum node_state */
	STORY_SERVES, /* value: proc.serves */
	STORY_KILLED,
	STORY_STOPPED, /* value: us */
	STORY_GOES_ON,
	STORY_CUT,
	STORY_CLOSED,  /* by the broker */
	STORY_FENCE,   /* value: the lane that is meant, or NONE; STORY_LIVE: that connection is not gone */
	STORY_FENCED,  /* value: granted */
	STORY_EXIT,    /* value: code */
	STORY_REFUSED, /* a subscription */
	STORY_IGNORED, /* the connection: no CONNACK */
	STORY_CLOCK,   /* value: by how many ms it jumps */
	STORY_BROKER,  /* value: is it up */
	STORY_HANGS,   /* the broker */
	STORY_QUIET,
};

#define STORY_LIVE ((uint64_t)1 << 32)
#define LANE_CLIENT 0x80000000u /* | its index; else a process's index; NONE: the broker */
#define LANE_STRANGER (LANE_CLIENT | 0x40000000u)

struct story_event {
	enum story_type type;
	uint32_t lane, message;
	uint64_t at, value;
};

struct story {
	struct story_message *messages;
	size_t message_count, message_room;
	struct story_event *events;
	size_t event_count, event_room;
};

#endif
