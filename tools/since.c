#include "since.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define SECOND 1000000ull
#define DIGITS_MAX 6 /* so long ago */

/* "10m" */
static bool since_ago(const char *text, uint64_t now, uint64_t *since)
{
	static const struct {
		const char *name;
		uint64_t seconds;
	} units[] = {{"s", 1}, {"m", 60}, {"min", 60}, {"h", 3600}, {"d", 86400}};
	size_t digits = strspn(text, "0123456789");
	uint64_t count = strtoull(text, NULL, 10);

	if (digits == 0 || digits > DIGITS_MAX)
		return false;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		uint64_t ago = count * units[i].seconds * SECOND;

		if (strcmp(text + digits, units[i].name) != 0)
			continue;
		*since = now > ago ? now - ago : 0;
		return true;
	}
	return false;
}

/* ":36.25" in microseconds, the rest of text behind it; nothing, if it does not begin so. */
static uint64_t since_seconds(const char **text)
{
	uint64_t us = 0, unit = SECOND / 10;
	const char *at = *text;

	if (at[0] != ':' || at[1] < '0' || at[1] > '5' || !isdigit((unsigned char)at[2]))
		return 0;
	us = (uint64_t)((at[1] - '0') * 10 + at[2] - '0') * SECOND;
	at += 3;
	if (at[0] == '.' && isdigit((unsigned char)at[1])) {
		for (at++; isdigit((unsigned char)*at); at++, unit /= 10)
			us += (uint64_t)(*at - '0') * unit;
	}
	*text = at;
	return us;
}

/* The numbers of a form, in which Y is four digits, 2 is two, and every other character itself; what is behind it, or
 * NULL. */
static const char *since_match(const char *text, const char *form, int numbers[])
{
	size_t count = 0;

	for (; *form != '\0'; form++) {
		if (*form != 'Y' && *form != '2') {
			if (*text++ != *form)
				return NULL;
			continue;
		}
		numbers[count] = 0;
		for (int digits = *form == 'Y' ? 4 : 2; digits > 0; digits--, text++) {
			if (!isdigit((unsigned char)*text))
				return NULL;
			numbers[count] = numbers[count] * 10 + *text - '0';
		}
		count++;
	}
	return text;
}

/* timegm and mktime would make the 1st of March of a 30th of February. */
static bool since_use(struct tm tm, bool utc, uint64_t us, uint64_t *since)
{
	struct tm made = tm;
	time_t t = utc ? timegm(&made) : mktime(&made);

	if (t < 0 || made.tm_year != tm.tm_year || made.tm_mon != tm.tm_mon || made.tm_mday != tm.tm_mday ||
	    tm.tm_hour > 23 || tm.tm_min > 59)
		return false;
	*since = (uint64_t)t * SECOND + us;
	return true;
}

static bool since_date(const char *text, uint64_t *since)
{
	static const char *const forms[] = {"Y-2-2 2:2", "Y-2-2T2:2", "Y-2-2"};
	bool utc = false;

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		int n[5] = {0};
		const char *rest = since_match(text, forms[i], n);
		uint64_t us = rest && i < 2 ? since_seconds(&rest) : 0;
		struct tm tm = {.tm_year = n[0] - 1900,
				.tm_mon = n[1] - 1,
				.tm_mday = n[2],
				.tm_hour = n[3],
				.tm_min = n[4],
				.tm_isdst = -1};

		if (rest && i == 1 && *rest == 'Z') {
			utc = true;
			rest++;
		}
		if (rest && *rest == '\0')
			return since_use(tm, utc, us, since);
	}
	return false;
}

/* That time of today, or of yesterday if it is still to come. */
static bool since_time(const char *text, uint64_t now, uint64_t *since)
{
	time_t seconds = (time_t)(now / SECOND);
	const char *rest;
	struct tm tm;
	uint64_t us;
	int n[2];

	rest = since_match(text, "2:2", n);
	us = rest ? since_seconds(&rest) : 0;
	if (!rest || *rest != '\0' || localtime_r(&seconds, &tm) == NULL)
		return false;
	tm.tm_hour = n[0];
	tm.tm_min = n[1];
	tm.tm_sec = 0;
	tm.tm_isdst = -1;
	if (!since_use(tm, false, us, since))
		return false;
	if (*since <= now)
		return true;
	tm.tm_mday--;
	*since = (uint64_t)mktime(&tm) * SECOND + us;
	return true;
}

static bool since_day(const char *text, uint64_t now, uint64_t *since)
{
	bool yesterday = strcmp(text, "yesterday") == 0;
	time_t seconds = (time_t)(now / SECOND);
	struct tm tm;

	if ((!yesterday && strcmp(text, "today") != 0) || localtime_r(&seconds, &tm) == NULL)
		return false;
	tm.tm_mday -= yesterday;
	tm.tm_hour = tm.tm_min = tm.tm_sec = 0;
	tm.tm_isdst = -1;
	*since = (uint64_t)mktime(&tm) * SECOND;
	return true;
}

bool since_parse(const char *text, uint64_t now, uint64_t *since)
{
	return since_ago(text, now, since) || since_day(text, now, since) || since_time(text, now, since) ||
	       since_date(text, since);
}
