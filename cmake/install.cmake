# What `cmake --install` puts where, in the places of the Filesystem Hierarchy Standard, and the Debian package that
# CPack makes of it. The program finds share/refocus beside its bin (src/opened/bundled.h).
include(GNUInstallDirs)

install(TARGETS refocus RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
# What speaks MPI is not of the package, which would need MPI for it: cmake --install BUILD --component cluster.
if(TARGET refocus_cluster_mpi)
  install(TARGETS refocus_cluster_mpi LIBRARY DESTINATION lib/refocus COMPONENT cluster EXCLUDE_FROM_ALL)
endif()
foreach(bundled ${REFOCUS_BUNDLED})
  install(DIRECTORY ${CMAKE_SOURCE_DIR}/${bundled}/ DESTINATION ${CMAKE_INSTALL_DATADIR}/refocus/${bundled} OPTIONAL)
endforeach()
install(DIRECTORY ${CMAKE_SOURCE_DIR}/docs ${CMAKE_SOURCE_DIR}/examples DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(FILES README.md CHANGELOG.md CITATION.cff CONTRIBUTING.md SECURITY.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(FILES packaging/copyright DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(DIRECTORY ${CMAKE_BINARY_DIR}/made/man1 DESTINATION ${CMAKE_INSTALL_MANDIR})
install(FILES ${CMAKE_BINARY_DIR}/made/completions/refocus DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
install(FILES ${CMAKE_BINARY_DIR}/made/completions/refocus.fish DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)

# What depends on whether it is installed as a package, in /usr, which is known when it is: Debian's zsh looks for the
# completions of packages in a place of their own, and its packages point to the system's copy of the licence.
set(REFOCUS_DATADIR ${CMAKE_INSTALL_DATADIR})
set(REFOCUS_DOCDIR ${CMAKE_INSTALL_DOCDIR})
# Whom the package names: the address of the project's commits. Who builds packages for others gives their own.
set(REFOCUS_MAINTAINER "The Refocus authors <maintainers@users.noreply.r-seed-6eb32013.example>" CACHE STRING
  "Maintainer of the Debian package: NAME <ADDRESS>")
set(CPACK_PACKAGE_CONTACT ${REFOCUS_MAINTAINER})
string(TIMESTAMP REFOCUS_BUILD_DATE "%a, %d %b %Y %H:%M:%S +0000" UTC)  # of SOURCE_DATE_EPOCH where that is set
configure_file(${CMAKE_SOURCE_DIR}/packaging/changelog.in ${CMAKE_BINARY_DIR}/made/changelog @ONLY)
configure_file(${CMAKE_SOURCE_DIR}/packaging/by_prefix.cmake.in ${CMAKE_BINARY_DIR}/made/by_prefix.cmake @ONLY)
install(SCRIPT ${CMAKE_BINARY_DIR}/made/by_prefix.cmake)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME refocus)
set(CPACK_PACKAGE_VENDOR "The Refocus authors")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "language models with interventions on their attention, and what that does")
string(CONCAT CPACK_PACKAGE_DESCRIPTION
  "Refocus runs language models on CPUs with interventions on their attention\n"
  "weights, and measures what that does to their answers: an inference engine\n"
  "whose attention can be changed while it runs, an evaluation with paired\n"
  "statistics, and tools that look inside.\n\n"
  "A small model and a benchmark that it can do come with it.")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION science)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
# What figures are drawn with, as wide as Helvetica.
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS fonts-liberation)
set(CPACK_DEBIAN_COMPRESSION_TYPE xz)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS
  OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
include(CPack)
