//! How much a test file may ask of its reader and its runner.

use trimtab_manifest::Limits;

/// How much a test file may ask. What exceeds a limit is refused, or fails its test.
///
/// ```
/// use trimtab_test::TestLimits;
///
/// let limits = TestLimits { max_steps: 100, ..TestLimits::default() };
/// assert_eq!(limits.max_tests, 1_000);
/// ```
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct TestLimits {
    /// Of the text.
    pub text: Limits,
    /// Documents per file. Default 64.
    pub max_documents: usize,
    /// Tests per file. Default 1,000.
    pub max_tests: usize,
    /// Decisions per test. Default 100,000.
    pub max_steps: u64,
    /// Replicas at once. Default 10,000.
    pub max_replicas: i32,
    /// Values of series per file. Default 5 million.
    pub max_values: u64,
    /// Replicas times readings looked at, checks, and bytes of explanations, over all decisions of a file.
    /// Default 20 million.
    pub max_work: u64,
}

impl Default for TestLimits {
    fn default() -> Self {
        Self {
            text: Limits::default().with_max_nodes(20_000),
            max_documents: 64,
            max_tests: 1_000,
            max_steps: 100_000,
            max_replicas: 10_000,
            max_values: 5_000_000,
            max_work: 20_000_000,
        }
    }
}
