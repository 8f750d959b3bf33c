#include "interrupt.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stddef.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "../common/mem.h"
#include "output.h"

static const struct {
	int number;
	const char *name;
} signals[] = {{SIGHUP, "SIGHUP"}, {SIGINT, "SIGINT"}, {SIGTERM, "SIGTERM"}};
#define SIGNAL_COUNT (sizeof(signals) / sizeof(signals[0]))

static struct {
	volatile sig_atomic_t number; /* of what came; 0: nothing */
	volatile sig_atomic_t sent;   /* by a process, not by a terminal */
	int fd;                       /* wakes the loop */
	struct event *event;
	bool *wake;
} interrupt;

static void on_signal(int number, siginfo_t *info, void *context);

/* The next one ends us; what was ignored is so still. */
static void let_go(void)
{
	struct sigaction now;

	for (size_t i = 0; i < SIGNAL_COUNT; i++) {
		if (sigaction(signals[i].number, NULL, &now) == 0 && now.sa_sigaction == on_signal)
			(void)signal(signals[i].number, SIG_DFL);
	}
}

/* Not libevent's: a loop that is busy with lines in it would hear of neither the first nor the second. */
static void on_signal(int number, siginfo_t *info, void *context)
{
	const uint64_t one = 1;
	int error = errno;

	(void)context;
	interrupt.sent = info->si_code <= 0;
	interrupt.number = number;
	let_go();
	(void)!write(interrupt.fd, &one, sizeof(one));
	errno = error;
}

static void on_wake(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	*interrupt.wake = true;
	output_bar(true); /* the terminal shows ^C */
}

void interrupt_catch(struct client *client, bool *wake)
{
	struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO}, before;

	interrupt.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (interrupt.fd < 0)
		return; /* then signals end us as they always did */
	interrupt.wake = wake;
	interrupt.event = xcheck(event_new(client_base(client), interrupt.fd, EV_READ, on_wake, NULL));
	event_add(interrupt.event, NULL);
	for (size_t i = 0; i < SIGNAL_COUNT; i++) {
		if (sigaction(signals[i].number, NULL, &before) == 0 && before.sa_handler != SIG_IGN)
			(void)sigaction(signals[i].number, &action, NULL);
	}
}

const char *interrupt_name(void)
{
	for (size_t i = 0; i < SIGNAL_COUNT; i++) {
		if (interrupt.number == signals[i].number)
			return signals[i].name;
	}
	return NULL;
}

int interrupt_sent(void)
{
	return interrupt.sent ? interrupt.number : 0;
}

void interrupt_release(void)
{
	if (interrupt.event == NULL)
		return;
	let_go();
	event_free(interrupt.event);
	interrupt.event = NULL;
	(void)close(interrupt.fd);
}

void interrupt_end(void)
{
	if (interrupt.number == 0)
		return;
	(void)output_finish();
	(void)raise(interrupt.number);
}
