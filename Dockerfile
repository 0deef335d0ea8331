# A small image that runs refocus: docker build -t refocus . && docker run --rm -v "$PWD:/work" refocus eval --limit 5
FROM debian:12 AS build
WORKDIR /src
COPY scripts/packages.txt scripts/packages.txt
RUN apt-get update && \
    sed '/^# Tests/,$d' scripts/packages.txt | grep -v '^#' | \
    DEBIAN_FRONTEND=noninteractive xargs apt-get install -y --no-install-recommends nodejs npm ca-certificates
COPY . .
RUN cmake --preset release -DREFOCUS_TESTS=OFF && \
    cmake --build --preset release && \
    cd build/release && cpack

FROM debian:12-slim
RUN --mount=type=bind,from=build,source=/src/build/release,target=/package \
    apt-get update && \
    DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends /package/refocus_*.deb fonts-liberation && \
    rm -rf /var/lib/apt/lists/*
# For mpirun and srun, once an image made of this one has Open MPI (examples/slurm/refocus.def).
COPY --from=build /src/build/release/librefocus_cluster.so /usr/lib/refocus/
WORKDIR /work
ENTRYPOINT ["refocus"]
CMD ["--help"]
