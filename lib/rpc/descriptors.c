// The descriptors of protos/, as protoc wrote them into the binary (protos/meson.build): a FileDescriptorSet,
// walked at each question. It is our own data and some 20 kB, so there is no index and no suspicion.
//
// Field numbers: descriptor.proto of protobuf.
#include "descriptors.h"
#include "rpc/rpc_impl.h"
#include <string.h>

enum { SET_FILE = 1 };
enum { FILE_NAME = 1, FILE_PACKAGE = 2, FILE_IMPORT = 3, FILE_MESSAGE = 4, FILE_ENUM = 5, FILE_SERVICE = 6 };
enum { ANY_NAME = 1, MESSAGE_NESTED = 3, MESSAGE_ENUM = 4, SERVICE_METHOD = 2 };
enum { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2, WIRE_FIXED32 = 5 };

struct reader {
    const uint8_t *at, *end;
};

static uint64_t read_varint(struct reader *reader)
{
    uint64_t value = 0;
    for (unsigned int shift = 0; reader->at < reader->end && shift < 64; shift += 7) {
        uint8_t byte = *reader->at++;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80))
            break;
    }
    return value;
}

// The next field of bytes; others are passed over. False at the end.
static bool next_field(struct reader *reader, uint32_t *ret_number, struct reader *ret_bytes)
{
    while (reader->at < reader->end) {
        uint64_t tag = read_varint(reader);
        size_t left = (size_t)(reader->end - reader->at);
        size_t n = 0;
        switch (tag & 7) {
        case WIRE_VARINT:
            read_varint(reader);
            continue;
        case WIRE_BYTES:
            n = read_varint(reader);
            left = (size_t)(reader->end - reader->at);
            break;
        default:
            n = (tag & 7) == WIRE_FIXED64 ? 8 : 4;
            break;
        }
        if (n > left)
            return false;
        *ret_number = (uint32_t)(tag >> 3);
        *ret_bytes = (struct reader){reader->at, reader->at + n};
        reader->at += n;
        if ((tag & 7) == WIRE_BYTES)
            return true;
    }
    return false;
}

static struct reader read_file(const struct descriptor_file *file)
{
    return (struct reader){file->bytes, file->bytes + file->n};
}

static bool is_text(const struct reader *bytes, const char *text, size_t n)
{
    return (size_t)(bytes->end - bytes->at) == n && memcmp(bytes->at, text, n) == 0;
}

// The first field `number`, or an empty one.
static struct reader field(struct reader within, uint32_t number)
{
    uint32_t found;
    struct reader bytes;
    while (next_field(&within, &found, &bytes))
        if (found == number)
            return bytes;
    return (struct reader){within.end, within.end};
}

static bool next_file(struct reader *set, struct descriptor_file *ret)
{
    uint32_t number;
    struct reader bytes;
    while (next_field(set, &number, &bytes)) {
        if (number == SET_FILE) {
            *ret = (struct descriptor_file){.bytes = bytes.at, .n = (size_t)(bytes.end - bytes.at)};
            return true;
        }
    }
    return false;
}

static struct reader all_files(void)
{
    return (struct reader){descriptor_set, descriptor_set + descriptor_set_bytes};
}

bool descriptor_by_name(const char *name, size_t n, struct descriptor_file *ret)
{
    struct reader set = all_files();
    struct descriptor_file file;
    while (next_file(&set, &file)) {
        struct reader own = field(read_file(&file), FILE_NAME);
        if (is_text(&own, name, n)) {
            *ret = file;
            return true;
        }
    }
    return false;
}

// ---- symbols

static bool declares(struct reader within, bool is_message, const char *symbol);

// `symbol` is the name of this message, enum or service, or of something inside it.
static bool names(struct reader declaration, bool is_message, const char *symbol)
{
    struct reader own = field(declaration, ANY_NAME);
    size_t n = (size_t)(own.end - own.at);
    if (strncmp(symbol, (const char *)own.at, n) != 0)
        return false;
    return !symbol[n] || (symbol[n] == '.' && declares(declaration, is_message, symbol + n + 1));
}

static bool declares(struct reader within, bool is_message, const char *symbol)
{
    uint32_t number;
    struct reader bytes;
    while (next_field(&within, &number, &bytes)) {
        bool inner =
            is_message ? number == MESSAGE_NESTED || number == MESSAGE_ENUM : number == SERVICE_METHOD;
        if (inner && names(bytes, is_message && number == MESSAGE_NESTED, symbol))
            return true;
    }
    return false;
}

static bool file_declares(const struct descriptor_file *file, const char *symbol)
{
    struct reader package = field(read_file(file), FILE_PACKAGE);
    size_t n = (size_t)(package.end - package.at);
    if (strncmp(symbol, (const char *)package.at, n) != 0 || symbol[n] != '.')
        return false;
    struct reader within = read_file(file);
    uint32_t number;
    struct reader bytes;
    while (next_field(&within, &number, &bytes))
        if (number >= FILE_MESSAGE && number <= FILE_SERVICE &&
            names(bytes, number == FILE_MESSAGE, symbol + n + 1))
            return true;
    return false;
}

bool descriptor_by_symbol(const char *symbol, struct descriptor_file *ret)
{
    struct reader set = all_files();
    struct descriptor_file file;
    while (next_file(&set, &file)) {
        if (file_declares(&file, symbol)) {
            *ret = file;
            return true;
        }
    }
    return false;
}

void descriptor_imports(const struct descriptor_file *file,
                        void (*visit)(void *user, const char *name, size_t n), void *user)
{
    struct reader within = read_file(file);
    uint32_t number;
    struct reader bytes;
    while (next_field(&within, &number, &bytes))
        if (number == FILE_IMPORT)
            visit(user, (const char *)bytes.at, (size_t)(bytes.end - bytes.at));
}
