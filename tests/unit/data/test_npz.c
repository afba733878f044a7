#include "data/arrays_files.h"

TestSuite(npz, .init = make_folder, .fini = remove_folder);

static void expect_samples(const char *yaml, const char *features, const char *labels)
{
    struct source *source = NULL;
    struct dataset d = DATASET_INIT;
    struct error error = ERROR_INIT;
    cr_assert_eq(open_chosen(&source, yaml, features, labels, &error), STATUS_OK, "%s", error.message);
    cr_assert_eq(source_read(source, NULL, 0, &d, &error), STATUS_OK, "%s", error.message);
    cr_assert_arr_eq(d.features, ((float[]){0, 1, 2, 3, 4, 5}), 24);
    cr_assert_arr_eq(d.classes, ((int32_t[]){0, 1, 2}), 12);
    dataset_release(&d);
    source_close(source);
}

static struct archive put_samples(const char *x, const char *y, enum archive_way way, const char *comment)
{
    struct archive archive = {0};
    archive_samples(&archive, x, y, way);
    archive_end(&archive, comment);
    put_file("a.npz", archive.file.data, archive.file.n);
    return archive;
}

static void refused(const char *yaml, enum status expected, const char *const *words)
{
    struct choice choice = choose(&formats, yaml);
    expect_refused("npz", choice.options, "a.npz", NULL, expected, words);
}
#define REFUSED(yaml, expected, ...) refused(yaml, expected, (const char *[]){__VA_ARGS__, NULL})

Test(npz, stored_deflated_and_zip64_entries_are_read)
{
    for (int way = ARCHIVE_STORED; way <= ARCHIVE_ZIP64; way++) {
        struct archive archive = put_samples("x.npy", "y.npy", way, "");
        bytes_release(&archive.file);
        expect_samples("npz", "a.npz", NULL);
    }
}

Test(npz, arrays_are_named_by_keys_or_in_the_path)
{
    struct archive archive = put_samples("x_train.npy", "y_train", ARCHIVE_STORED, "a comment");
    bytes_release(&archive.file);
    expect_samples("{kind: npz, features_key: x_train, labels_key: y_train}", "a.npz", NULL);
    expect_samples("npz", "a.npz#x_train", "a.npz#y_train");
    REFUSED("npz", STATUS_NOT_FOUND, "a.npz'", "no array 'x'", "x_train, y_train");
}

Test(npz, other_files_and_broken_archives_are_refused)
{
    put_file("a.npz", "x", 1);
    REFUSED("npz", STATUS_DATA_LOSS, "a.npz'", "no table of contents");
    struct archive archive = put_samples("x.npy", "y.npy", ARCHIVE_STORED, "");
    put_file("a.npz", archive.file.data, archive.file.n - 1);
    REFUSED("npz", STATUS_DATA_LOSS, "a.npz'", "no table of contents");
    size_t end = archive.file.n - 22;
    archive.file.data[end + 16] ^= 1;
    put_file("a.npz", archive.file.data, archive.file.n);
    REFUSED("npz", STATUS_DATA_LOSS, "table of contents is");
    archive.file.data[end + 19] = 0x7F;
    put_file("a.npz", archive.file.data, archive.file.n);
    REFUSED("npz", STATUS_DATA_LOSS, "not where it says");
    bytes_release(&archive.file);
}

Test(npz, encryption_and_other_methods_are_refused)
{
    struct archive archive = put_samples("x.npy", "y.npy", ARCHIVE_STORED, "");
    size_t directory = bytes_le32(archive.file.data + archive.file.n - 22 + 16);
    archive.file.data[directory + 8] |= 1;
    put_file("a.npz", archive.file.data, archive.file.n);
    REFUSED("npz", STATUS_INVALID_ARGUMENT, "encrypted");
    archive.file.data[directory + 8] = 0;
    archive.file.data[directory + 10] = 14;
    put_file("a.npz", archive.file.data, archive.file.n);
    REFUSED("npz", STATUS_INVALID_ARGUMENT, "method 14", "savez_compressed");
    bytes_release(&archive.file);
}

Test(npz, a_flipped_bit_in_the_data_is_seen_by_the_check_sum)
{
    struct archive archive = put_samples("x.npy", "y.npy", ARCHIVE_STORED, "");
    char *two = memmem(archive.file.data, archive.file.n, (float[]){2}, 4);
    cr_assert_not_null(two);
    two[2] ^= 4;
    put_file("a.npz", archive.file.data, archive.file.n);
    REFUSED("npz", STATUS_DATA_LOSS, "a.npz:x'", "check sum");
    bytes_release(&archive.file);
}
