//! Which shard a policy belongs to, and which shards a replica would rather have.

/// The shard of a policy, by its `uid`. It is the same in each replica and in each version.
pub(crate) fn shard_of(uid: &str, shards: u32) -> u32 {
    let shards = u64::from(shards.max(1));
    u32::try_from(hash([uid]) % shards).unwrap_or(0)
}

/// How many shards one of `members` may have, so that all shards have somebody.
pub(crate) fn most(shards: u32, members: usize) -> usize {
    usize::try_from(shards).unwrap_or(usize::MAX).div_ceil(members.max(1))
}

/// The shards in the order in which `member` wants them: first those which it is the best for, by rendezvous hashing,
/// so that few move when somebody comes or goes.
pub(crate) fn preferred(shards: u32, member: &str, members: &[&str]) -> Vec<u32> {
    let rank = |shard: u32| {
        let text = shard.to_string();
        let own = hash([member, &text]);
        members.iter().filter(|other| hash([**other, &text]) > own).count()
    };
    let mut order: Vec<(usize, u64, u32)> =
        (0..shards).map(|shard| (rank(shard), hash([member, &shard.to_string()]), shard)).collect();
    order.sort_unstable();
    order.into_iter().map(|(_, _, shard)| shard).collect()
}

/// FNV-1a, and a finish that lets each bit depend on all.
fn hash<'a>(parts: impl IntoIterator<Item = &'a str>) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for part in parts {
        for byte in part.bytes().chain([0xff]) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_spread_over_the_shards() {
        let mut counts = [0_u32; 8];
        for number in 0..8000 {
            let shard = shard_of(&format!("0b8f-{number}"), 8);
            counts[usize::try_from(shard).unwrap()] += 1;
        }
        assert!(counts.iter().all(|count| (850..1150).contains(count)), "{counts:?}");
    }

    #[test]
    fn a_shard_is_the_same_in_every_version() {
        let shards =
            ["a", "b", "7f1c5f0e-93e4-4a55-9d2c-000000000000"].map(|uid| shard_of(uid, 16));
        assert_eq!(shards, [5, 8, 6]);
    }

    #[test]
    fn all_shards_have_somebody() {
        for shards in 1..40 {
            for members in 1..40 {
                assert!(most(shards, members) * members >= usize::try_from(shards).unwrap());
            }
        }
    }

    #[test]
    fn each_wants_others_first() {
        let members = ["a", "b", "c"];
        let first: Vec<Vec<u32>> =
            members.iter().map(|member| preferred(12, member, &members)[..2].to_vec()).collect();
        let all: std::collections::BTreeSet<u32> = first.iter().flatten().copied().collect();
        assert_eq!(all.len(), 6, "{first:?}");
    }
}
