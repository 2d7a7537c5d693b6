-- What says what an agent does now: its wakes that are not over, and its last one that is.

CREATE INDEX wake_by_agent ON wake (ws, agent, id);
CREATE INDEX wake_of_agent_live ON wake (ws, agent) WHERE state <> 'finished';
