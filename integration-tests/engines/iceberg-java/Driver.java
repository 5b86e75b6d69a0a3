import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.File;
import java.io.IOException;
import java.io.InputStreamReader;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import org.apache.iceberg.AppendFiles;
import org.apache.iceberg.DataFile;
import org.apache.iceberg.HasTableOperations;
import org.apache.iceberg.PartitionKey;
import org.apache.iceberg.PartitionSpec;
import org.apache.iceberg.Schema;
import org.apache.iceberg.Snapshot;
import org.apache.iceberg.SortOrder;
import org.apache.iceberg.Table;
import org.apache.iceberg.TableMetadata;
import org.apache.iceberg.TableOperations;
import org.apache.iceberg.Transaction;
import org.apache.iceberg.UpdateSchema;
import org.apache.iceberg.catalog.Namespace;
import org.apache.iceberg.catalog.TableCommit;
import org.apache.iceberg.catalog.TableIdentifier;
import org.apache.iceberg.data.GenericRecord;
import org.apache.iceberg.data.IcebergGenerics;
import org.apache.iceberg.data.Record;
import org.apache.iceberg.data.parquet.GenericParquetWriter;
import org.apache.iceberg.exceptions.CommitFailedException;
import org.apache.iceberg.expressions.Expressions;
import org.apache.iceberg.io.CloseableIterable;
import org.apache.iceberg.io.DataWriter;
import org.apache.iceberg.io.FileIO;
import org.apache.iceberg.io.InputFile;
import org.apache.iceberg.io.OutputFile;
import org.apache.iceberg.io.PositionOutputStream;
import org.apache.iceberg.io.SeekableInputStream;
import org.apache.iceberg.parquet.Parquet;
import org.apache.iceberg.rest.RESTCatalog;
import org.apache.iceberg.types.Types;

/**
 * Iceberg's reference client: `Driver CATALOG_URI`. The same loop as engines/shell.py: one JSON
 * request per line, one answer {"rows": [[...]]} or {"error": text} per line.
 */
public final class Driver {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final Schema SCHEMA =
      new Schema(
          Types.NestedField.required(1, "id", Types.LongType.get()),
          Types.NestedField.optional(2, "name", Types.StringType.get()));
  private static final RESTCatalog CATALOG = new RESTCatalog();

  public static void main(String[] arguments) throws IOException {
    CATALOG.initialize("strom", Map.of("uri", arguments[0], "io-impl", LocalFiles.class.getName()));
    BufferedReader requests = new BufferedReader(new InputStreamReader(System.in));
    for (String line = requests.readLine(); line != null; line = requests.readLine()) {
      Map<String, Object> answer = new LinkedHashMap<>();
      try {
        answer.put("rows", answer(JSON.readTree(line)));
      } catch (Exception error) {
        answer.put("error", error.getClass().getSimpleName() + ": " + error.getMessage());
      }
      System.out.println(JSON.writeValueAsString(answer));
    }
  }

  private static List<?> answer(JsonNode request) throws Exception {
    JsonNode named = request.path("table");
    TableIdentifier table =
        named.isMissingNode() ? null : TableIdentifier.parse(named.asText());
    Namespace namespace =
        Namespace.of(request.path("namespace").asText("").split("\\."));
    switch (request.get("op").asText()) {
      case "create_namespace" -> CATALOG.createNamespace(namespace, map("owner", "java"));
      case "drop_namespace" -> {
        return one(CATALOG.dropNamespace(namespace));
      }
      case "set_namespace" -> CATALOG.setProperties(namespace, map("color", "blue"));
      case "namespace" -> {
        return one(new java.util.TreeMap<>(CATALOG.loadNamespaceMetadata(namespace)).toString());
      }
      case "namespaces" -> {
        return CATALOG.listNamespaces().stream().map(n -> List.of(n.toString())).toList();
      }
      case "tables" -> {
        return CATALOG.listTables(namespace).stream().map(TableIdentifier::name).sorted()
            .map(List::of).toList();
      }
      case "create" -> CATALOG.createTable(table, SCHEMA);
      case "create_staged" -> {
        PartitionSpec spec = PartitionSpec.builderFor(SCHEMA).bucket("id", 2).build();
        SortOrder order = SortOrder.builderFor(SCHEMA).asc("id").build();
        Transaction transaction =
            CATALOG.buildTable(table, SCHEMA).withPartitionSpec(spec).withSortOrder(order)
                .withProperty("format-version", request.path("version").asText("2"))
                .createTransaction();
        append(transaction.table(), transaction.newAppend(), request.get("rows"));
        transaction.commitTransaction();
      }
      case "replace" -> {
        Transaction transaction = CATALOG.buildTable(table, SCHEMA).replaceTransaction();
        append(transaction.table(), transaction.newAppend(), request.get("rows"));
        transaction.commitTransaction();
      }
      case "append" -> {
        Table loaded = CATALOG.loadTable(table);
        append(loaded, loaded.newAppend(), request.get("rows"));
      }
      case "rows" -> {
        return rows(CATALOG.loadTable(table));
      }
      case "add_column" -> CATALOG.loadTable(table).updateSchema()
          .addColumn(request.get("column").asText(), Types.StringType.get()).commit();
      case "partition" -> CATALOG.loadTable(table).updateSpec()
          .addField(Expressions.bucket(request.path("by").asText("id"), 4)).commit();
      case "set_property" -> CATALOG.loadTable(table).updateProperties()
          .set(request.get("key").asText(), request.get("value").asText()).commit();
      case "properties" -> {
        return one(new java.util.TreeMap<>(CATALOG.loadTable(table).properties()).toString());
      }
      case "rename" -> CATALOG.renameTable(
          table, TableIdentifier.parse(request.get("to").asText()));
      case "drop" -> {
        return one(CATALOG.dropTable(table, request.path("purge").asBoolean()));
      }
      case "register" -> CATALOG.registerTable(table, request.get("location").asText());
      case "metadata_location" -> {
        TableOperations operations = ((HasTableOperations) CATALOG.loadTable(table)).operations();
        return one(operations.current().metadataFileLocation());
      }
      case "expire" -> {
        Table loaded = CATALOG.loadTable(table);
        long current = loaded.currentSnapshot().snapshotId();
        var expire = loaded.expireSnapshots().cleanExpiredFiles(false);
        for (Snapshot snapshot : loaded.snapshots()) {
          if (snapshot.snapshotId() != current) {
            expire.expireSnapshotId(snapshot.snapshotId());
          }
        }
        expire.commit();
      }
      case "snapshots" -> {
        List<List<Long>> found = new ArrayList<>();
        CATALOG.loadTable(table).snapshots().forEach(s -> found.add(List.of(s.snapshotId())));
        return found;
      }
      case "stale" -> {
        return stale(table);
      }
      case "transaction" -> {
        return transaction(request.get("tables"), request.path("stale").asBoolean());
      }
      default -> throw new IllegalArgumentException("unknown operation " + request);
    }
    return List.of();
  }

  /** Two changes built on one state: the second must find that its state is gone. */
  private static List<?> stale(TableIdentifier table) {
    UpdateSchema first =
        CATALOG.loadTable(table).updateSchema().addColumn("first", Types.LongType.get());
    UpdateSchema second =
        CATALOG.loadTable(table).updateSchema().addColumn("second", Types.LongType.get());
    first.apply();
    second.apply();
    first.commit();
    try {
      second.commit();
      return one("committed");
    } catch (CommitFailedException refused) {
      return one("CommitFailedException: " + refused.getMessage());
    }
  }

  /** Adds a column to several tables at once; with `stale` the last one has one more by then. */
  private static List<?> transaction(JsonNode tables, boolean stale) {
    List<TableCommit> commits = new ArrayList<>();
    for (JsonNode named : tables) {
      TableIdentifier table = TableIdentifier.parse(named.asText());
      Transaction transaction = CATALOG.loadTable(table).newTransaction();
      transaction.updateSchema().addColumn("shared", Types.LongType.get()).commit();
      TableMetadata base = ((HasTableOperations) CATALOG.loadTable(table)).operations().current();
      TableMetadata changed =
          ((HasTableOperations) transaction.table()).operations().current();
      commits.add(TableCommit.create(table, base, changed));
    }
    if (stale) {
      TableIdentifier last = TableIdentifier.parse(tables.get(tables.size() - 1).asText());
      CATALOG.loadTable(last).updateSchema().addColumn("sooner", Types.LongType.get()).commit();
    }
    CATALOG.commitTransaction(commits);
    return List.of();
  }

  private static void append(Table table, AppendFiles append, JsonNode rows) throws IOException {
    PartitionSpec spec = table.spec();
    Schema schema = table.schema();
    Map<String, List<Record>> records = new LinkedHashMap<>();
    Map<String, PartitionKey> partitions = new LinkedHashMap<>();
    for (JsonNode row : rows) {
      Record record = GenericRecord.create(schema);
      record.setField("id", row.get(0).asLong());
      record.setField("name", row.get(1).isNull() ? null : row.get(1).asText());
      PartitionKey key = new PartitionKey(spec, schema);
      key.partition(record);
      records.computeIfAbsent(key.toPath(), path -> new ArrayList<>()).add(record);
      partitions.putIfAbsent(key.toPath(), key);
    }
    for (Map.Entry<String, List<Record>> part : records.entrySet()) {
      OutputFile file =
          table.io().newOutputFile(
              table.locationProvider().newDataLocation(UUID.randomUUID() + ".parquet"));
      DataWriter<Record> writer =
          Parquet.writeData(file).schema(schema).withSpec(spec)
              .withPartition(spec.isPartitioned() ? partitions.get(part.getKey()) : null)
              .createWriterFunc((fields, type) -> GenericParquetWriter.create(fields, type))
              .build();
      try (writer) {
        part.getValue().forEach(writer::write);
      }
      DataFile written = writer.toDataFile();
      append.appendFile(written);
    }
    append.commit();
  }

  private static List<?> rows(Table table) throws IOException {
    List<List<Object>> rows = new ArrayList<>();
    try (CloseableIterable<Record> records = IcebergGenerics.read(table).build()) {
      for (Record record : records) {
        rows.add(Arrays.asList(record.getField("id"), record.getField("name")));
      }
    }
    rows.sort(Comparator.comparing(row -> ((Number) row.get(0)).longValue()));
    return rows;
  }

  /** The client looks for null values, which the JDK's own small maps take amiss. */
  private static Map<String, String> map(String key, String value) {
    Map<String, String> map = new LinkedHashMap<>();
    map.put(key, value);
    return map;
  }

  private static List<List<Object>> one(Object cell) {
    return List.of(List.of(cell));
  }

  /** Files of a local warehouse under the `file:` names that the catalog gives them. */
  public static final class LocalFiles implements FileIO {
    private static File file(String location) {
      return new File(location.replaceFirst("^file:/*", "/"));
    }

    @Override
    public InputFile newInputFile(String location) {
      InputFile local = org.apache.iceberg.Files.localInput(file(location));
      return new InputFile() {
        @Override
        public long getLength() {
          return local.getLength();
        }

        @Override
        public SeekableInputStream newStream() {
          return local.newStream();
        }

        @Override
        public String location() {
          return location;
        }

        @Override
        public boolean exists() {
          return local.exists();
        }
      };
    }

    @Override
    public OutputFile newOutputFile(String location) {
      OutputFile local = org.apache.iceberg.Files.localOutput(file(location));
      return new OutputFile() {
        @Override
        public PositionOutputStream create() {
          return local.create();
        }

        @Override
        public PositionOutputStream createOrOverwrite() {
          return local.createOrOverwrite();
        }

        @Override
        public String location() {
          return location;
        }

        @Override
        public InputFile toInputFile() {
          return newInputFile(location);
        }
      };
    }

    @Override
    public void deleteFile(String location) {
      file(location).delete();
    }
  }
}
