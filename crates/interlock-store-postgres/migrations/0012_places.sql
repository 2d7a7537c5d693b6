-- Within a thread `seq` and place in the ledger grow together, so that a place is found by halving: an index for it would be
-- written with every message and save only that.
DROP INDEX message_by_place;
