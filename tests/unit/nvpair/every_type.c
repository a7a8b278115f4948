#include "nvpair_test.h"

static nvlist_t *
inner(uint64_t n)
{
	nvlist_t *nvl = nvlist_create();

	fnvlist_add_uint64(nvl, "n", n);
	fnvlist_add_string(nvl, "text", "inner");
	return (nvl);
}

nvlist_t *
test_every_type(void)
{
	static const uint8_t u8[] = {0, 1, 255};
	static const int8_t i8[] = {-128, 0, 127};
	static const uint16_t u16[] = {0, 0x1234, 0xffff};
	static const int16_t i16[] = {INT16_MIN, -1, INT16_MAX};
	static const uint32_t u32[] = {0, UINT32_MAX};
	static const int32_t i32[] = {INT32_MIN, -2, INT32_MAX};
	static const uint64_t u64[] = {0, 1, UINT64_MAX};
	static const int64_t i64[] = {INT64_MIN, -3, INT64_MAX};
	static const bool flags[] = {true, false, true, true};
	static const char *const words[] = {"", "a", "four", "longer than eight"};
	nvlist_t *nvl = nvlist_create(), *one = inner(1), *two = inner(2);
	const nvlist_t *lists[] = {one, two};

	assert_int_equal(nvlist_add_boolean(nvl, "boolean"), 0);
	assert_int_equal(nvlist_add_boolean_value(nvl, "boolean_value", true), 0);
	assert_int_equal(nvlist_add_byte(nvl, "byte", 0xfe), 0);
	assert_int_equal(nvlist_add_int8(nvl, "int8", -7), 0);
	assert_int_equal(nvlist_add_uint8(nvl, "uint8", 200), 0);
	assert_int_equal(nvlist_add_int16(nvl, "int16", -300), 0);
	assert_int_equal(nvlist_add_uint16(nvl, "uint16", 60000), 0);
	assert_int_equal(nvlist_add_int32(nvl, "int32", -70000), 0);
	assert_int_equal(nvlist_add_uint32(nvl, "uint32", 4000000000u), 0);
	assert_int_equal(nvlist_add_int64(nvl, "int64", INT64_MIN), 0);
	assert_int_equal(nvlist_add_uint64(nvl, "uint64", UINT64_MAX), 0);
	assert_int_equal(nvlist_add_double(nvl, "double", -1.5), 0);
	assert_int_equal(nvlist_add_hrtime(nvl, "hrtime", -123456789012), 0);
	assert_int_equal(nvlist_add_string(nvl, "string", "value"), 0);
	assert_int_equal(nvlist_add_string(nvl, "empty string", ""), 0);
	assert_int_equal(nvlist_add_nvlist(nvl, "nvlist", one), 0);
	assert_int_equal(nvlist_add_boolean_array(nvl, "booleans", flags, 4), 0);
	assert_int_equal(nvlist_add_byte_array(nvl, "bytes", u8, 3), 0);
	assert_int_equal(nvlist_add_int8_array(nvl, "int8s", i8, 3), 0);
	assert_int_equal(nvlist_add_uint8_array(nvl, "uint8s", u8, 3), 0);
	assert_int_equal(nvlist_add_int16_array(nvl, "int16s", i16, 3), 0);
	assert_int_equal(nvlist_add_uint16_array(nvl, "uint16s", u16, 3), 0);
	assert_int_equal(nvlist_add_int32_array(nvl, "int32s", i32, 3), 0);
	assert_int_equal(nvlist_add_uint32_array(nvl, "uint32s", u32, 2), 0);
	assert_int_equal(nvlist_add_int64_array(nvl, "int64s", i64, 3), 0);
	assert_int_equal(nvlist_add_uint64_array(nvl, "uint64s", u64, 3), 0);
	assert_int_equal(nvlist_add_string_array(nvl, "strings", words, 4), 0);
	assert_int_equal(nvlist_add_nvlist_array(nvl, "nvlists", lists, 2), 0);
	assert_int_equal(nvlist_add_nvlist_array(nvl, "no nvlists", NULL, 0), 0);
	nvlist_free(one);
	nvlist_free(two);
	return (nvl);
}
