"""Values every room shares: money, states, dataset schemas, stored records. No I/O, no pandas, no clock."""
