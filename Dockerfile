# The broker as an image: built from source, run by a user of its own.
FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
RUN cargo build --locked --profile dist -p strom

FROM debian:bookworm-slim
# Uid 1000 is Trino's in its own image too: both write to the shared warehouse.
RUN useradd --uid 1000 --user-group --no-create-home strom \
    && mkdir /data /warehouse \
    && chown strom:strom /data /warehouse
COPY --from=build /src/target/dist/strom /usr/local/bin/strom
USER strom
WORKDIR /data
# Kafka protocol; HTTP: Iceberg catalog, metrics, health.
EXPOSE 9092 8081
ENTRYPOINT ["strom"]
