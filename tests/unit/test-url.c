/* The broker's URL: what is taken, what is refused and why, and that a password never shows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "../../common/url.h"

#define LONG_50 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static void good_urls(void **state)
{
	static const struct {
		const char *text, *host;
		unsigned port;
		const char *user, *password, *shown;
	} rows[] = {
		{URL_DEFAULT, "127.0.0.1", 1883, "", NULL, "mqtt://127.0.0.1:1883"},
		{"mqtt://broker", "broker", 1883, "", NULL, "mqtt://broker:1883"},
		{"MQTT://broker/", "broker", 1883, "", NULL, "mqtt://broker:1883"},
		{"mqtt://a-b_c.d.:1", "a-b_c.d.", 1, "", NULL, "mqtt://a-b_c.d.:1"},
		{"mqtt://h:65535", "h", 65535, "", NULL, "mqtt://h:65535"},
		{"mqtt://[::1]", "::1", 1883, "", NULL, "mqtt://[::1]:1883"},
		{"mqtt://[fe80::1%eth0]:99", "fe80::1%eth0", 99, "", NULL, "mqtt://[fe80::1%eth0]:99"},
		{"mqtt://me@h", "h", 1883, "me", NULL, "mqtt://me@h:1883"},
		{"mqtt://me:@h", "h", 1883, "me", "", "mqtt://me:***@h:1883"},
		{"mqtt://me:p:w@h:2", "h", 2, "me", "p:w", "mqtt://me:***@h:2"},
		{"mqtt://me:p@w@h", "h", 1883, "me", "p@w", "mqtt://me:***@h:1883"},
		{"mqtt://me:a/b?c#d@h", "h", 1883, "me", "a/b?c#d", "mqtt://me:***@h:1883"},
		{"mqtt://m%40e:%70%3a%25@h", "h", 1883, "m@e", "p:%", "mqtt://m%40e:***@h:1883"},
		{"mqtt://%c3%a4:x@h", "h", 1883, "\xc3\xa4", "x", "mqtt://%C3%A4:***@h:1883"},
	};
	char error[100], shown[400];
	struct url url;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_null(url_parse(&url, rows[i].text, error, sizeof(error)));
		assert_false(url.unix_socket);
		assert_string_equal(url.host, rows[i].host);
		assert_int_equal(url.port, rows[i].port);
		assert_string_equal(url.user, rows[i].user);
		assert_int_equal(url.has_password, rows[i].password != NULL);
		assert_string_equal(url.password, rows[i].password ? rows[i].password : "");
		url_format(shown, sizeof(shown), &url);
		assert_string_equal(shown, rows[i].shown);
	}
}

static void a_socket(void **state)
{
	char error[100], shown[400];
	struct url url;

	(void)state;
	assert_null(url_parse(&url, "unix:///run/my broker@1.sock", error, sizeof(error)));
	assert_true(url.unix_socket);
	assert_int_equal(url.port, 0);
	assert_string_equal(url.host, "/run/my broker@1.sock");
	url_format(shown, sizeof(shown), &url);
	assert_string_equal(shown, "unix:///run/my broker@1.sock");
}

static void with_tls(void **state)
{
	char error[200], shown[200];
	struct url url;

	(void)state;
	assert_null(url_parse(&url, "MQTTS://me:x@h", error, sizeof(error)));
	assert_true(url.tls && !url.unix_socket);
	assert_int_equal(url.port, 8883);
	url_format(shown, sizeof(shown), &url);
	assert_string_equal(shown, "mqtts://me:***@h:8883");
	assert_null(url_parse(&url, "mqtts://[::1]:1883", error, sizeof(error)));
	assert_int_equal(url.port, 1883);
	assert_null(url_parse(&url, "mqtt://h", error, sizeof(error)));
	assert_false(url.tls);
}

/* Every refusal names the part that is wrong. */
static void bad_urls(void **state)
{
	static const struct {
		const char *text, *part;
	} rows[] = {
		{"", "scheme"},
		{"localhost", "scheme"},
		{"localhost:1883", "scheme"},
		{"://h", "scheme"},
		{"mqttss://h", "'mqttss'"},
		{"mqtts://", "host is missing"},
		{"http://h", "'http'"},
		{"mqtt://", "host is missing"},
		{"mqtt://:1883", "host is missing"},
		{"mqtt:///", "host is missing"},
		{"mqtt://h:", "port"},
		{"mqtt://h:0", "port"},
		{"mqtt://h:65536", "port"},
		{"mqtt://h:99999999999999999999", "port"},
		{"mqtt://h:1883x", "port"},
		{"mqtt://h:-1", "port"},
		{"mqtt://h/prefix", "--topic-prefix"},
		{"mqtt://h?x", "behind host and port"},
		{"mqtt://::1:1883", "brackets"},
		{"mqtt://[::1", "']'"},
		{"mqtt://[h]", "IPv6"},
		{"mqtt://[::1]x", "behind ']'"},
		{"mqtt://[::1]:x", "port"},
		{"mqtt://a b", "host"},
		{"mqtt://h\n", "host"},
		{"mqtt://h\xff", "host"},
		{"mqtt://@h", "user name"},
		{"mqtt://:pw@h", "user name"},
		{"mqtt://a%4@h", "user name"},
		{"mqtt://a%@h", "user name"},
		{"mqtt://a%zz@h", "user name"},
		{"mqtt://a%00@h", "user name"},
		{"mqtt://a:b%0a@h", "password"},
		{"mqtt://a:" LONG_50 LONG_50 LONG_50 "@h", "password"},
		{"mqtt://" LONG_50 LONG_50 LONG_50 "@h", "user name"},
		{"mqtt://" LONG_50 LONG_50 LONG_50 LONG_50 LONG_50 LONG_50, "host is too long"},
		{"mqtt://[" LONG_50 LONG_50 LONG_50 LONG_50 LONG_50 "aaaaaa]", "host is too long"},
		{"unix://run/x", "absolute"},
		{"unix://", "absolute"},
		{"unix:///" LONG_50 LONG_50 LONG_50, "path is too long"},
	};
	char error[100];
	struct url url;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *why = url_parse(&url, rows[i].text, error, sizeof(error));

		if (why == NULL || strstr(why, rows[i].part) == NULL)
			fail_msg("'%s': '%s' does not speak of %s", rows[i].text, why ? why : "taken", rows[i].part);
	}
}

static void a_small_buffer_is_enough_for_no_overrun(void **state)
{
	char error[8], shown[10];
	struct url url;

	(void)state;
	assert_non_null(url_parse(&url, "gopher-and-more-than-twenty://h", error, sizeof(error)));
	assert_int_equal(strlen(error), sizeof(error) - 1);
	assert_null(url_parse(&url, "mqtt://me:secret@some.host", error, sizeof(error)));
	url_format(shown, sizeof(shown), &url);
	assert_int_equal(strlen(shown), sizeof(shown) - 1);
}

static void masks_hide_whatever_may_be_a_password(void **state)
{
	static const char *const rows[][3] = {
		{"mqtt://me:secret@h:1", "mqtt://me:******@h:1", "mqtt://me:***@h:1"},
		{"mqtt://me:a@b:c@h", "mqtt://me:*****@h", "mqtt://me:***@h"},
		{"mqtt://me:a@h", "mqtt://me:*@h", "mqtt://me:***@h"},
		{"me:secret@h", "me:******@h", "me:***@h"},
		{"mqtt://me@h:1883", "mqtt://me@h:1883", "mqtt://me@h:1883"},
		{"mqtt://h:1883", "mqtt://h:1883", "mqtt://h:1883"},
		{"unix:///run/x", "unix:///run/x", "unix:///run/x"},
		{"", "", ""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char text[64], shown[64], small[12];

		snprintf(text, sizeof(text), "%s", rows[i][0]);
		url_mask(text);
		assert_string_equal(text, rows[i][1]);
		assert_string_equal(url_show(shown, sizeof(shown), rows[i][0]), rows[i][2]);
		assert_memory_equal(url_show(small, sizeof(small), rows[i][0]), shown,
				    strnlen(shown, sizeof(small) - 1));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_urls),
		cmocka_unit_test(a_socket),
		cmocka_unit_test(with_tls),
		cmocka_unit_test(bad_urls),
		cmocka_unit_test(a_small_buffer_is_enough_for_no_overrun),
		cmocka_unit_test(masks_hide_whatever_may_be_a_password),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
