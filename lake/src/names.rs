//! Names: from a topic to its table, and from a table to its files.

use strom_protocol::TopicId;

/// The table of a topic: lower-cased, since engines fold case, and without dots, which separate
/// namespaces for them. Two topics may meet in one name; the registry decides who has it.
pub(crate) fn table_of(topic: &str) -> String {
    topic.to_lowercase().replace('.', "_")
}

/// The location of a table: one per topic id, so a re-created topic never meets old files.
pub(crate) fn location_of(root: &str, namespace: &str, table: &str, id: TopicId) -> String {
    format!("{root}/{namespace}/{table}-{id}")
}

/// The name of a table whose topic was deleted: with the first digits of the topic's id.
pub(crate) fn kept(table: &str, id: TopicId) -> String {
    let id = id.0.simple().to_string();
    format!("{table}__{}", &id[..8])
}

/// The topic id at the end of a table directory's name; nothing for foreign names.
pub(crate) fn topic_id_in(directory: &str) -> Option<TopicId> {
    let start = directory.len().checked_sub(22)?;
    let (table, id) = (directory.get(..start)?, directory.get(start..)?);
    if table.len() < 2 || !table.ends_with('-') { None } else { TopicId::parse(id) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use strom_protocol::Uuid;

    #[test]
    fn topics_become_tables_that_engines_can_name() {
        for (topic, table) in
            [("orders", "orders"), ("Shop.Orders", "shop_orders"), ("a-b_c", "a-b_c")]
        {
            assert_eq!(table_of(topic), table);
        }
    }

    #[test]
    fn directories_carry_the_topic_id() {
        let id = TopicId(Uuid::from_u128(0x1234567890abcdef1122334455667788));
        let location = location_of("file:///w", "kafka", "orders", id);
        let name = location.rsplit('/').next().unwrap();
        assert_eq!(topic_id_in(name), Some(id));
        assert_eq!(kept("orders", id), "orders__12345678");
        for foreign in ["orders", "", "-EjRWeJCrze8RIjNEVWZ3iA", "xEjRWeJCrze8RIjNEVWZ3iA"] {
            assert_eq!(topic_id_in(foreign), None, "{foreign}");
        }
    }
}
