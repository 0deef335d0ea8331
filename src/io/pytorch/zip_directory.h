// Where the entries of a zip archive lie in the file, for archives whose entries are stored as they are.
//
// Format: PKWARE APPNOTE.TXT 6.3, sections 4.3 and 4.5 (Zip64). This is no unzipper: it gives byte ranges,
// which libraries for zip do not expose, so that tensors can be used in the mapped file without a copy.
#pragma once

#include <cstddef>
#include <map>
#include <span>
#include <string>
#include <string_view>

namespace refocus {

using ZipDirectory = std::map<std::string, std::span<const std::byte>, std::less<>>;

// The entries of the archive `file` by name; the spans point into `file`. `where` names it in messages.
// InputError where the archive is cut short or contradicts itself, and where an entry is compressed or
// encrypted. Checksums are not compared, since that would read every page.
ZipDirectory read_zip_directory(std::span<const std::byte> file, std::string_view where);

}  // namespace refocus
