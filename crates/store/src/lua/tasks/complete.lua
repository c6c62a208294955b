-- Ends a task with its result: the one place where a worker's result is committed.
-- ARGV: ..., did, fingerprint, keep_did_ms, task, lease, result, input tokens, output tokens, cost
-- OK: now_us, owed, the task. Refusals: NOT_FOUND; STALE state, worker; REQUEST_ID_REUSED.
return with_row(once(ARGV[3], ARGV[4], ARGV[5], function()
  local id = ARGV[6]
  local task = load(id)
  local refused = stale(task, ARGV[7])
  if refused then return refused end

  if ARGV[8] ~= '' then redis.call('HSET', text_key(id), 'result', ARGV[8]) end
  redis.call('HDEL', text_key(id), 'reason', 'message')
  spend(task, ARGV[9], ARGV[10], ARGV[11])
  finish(task)
  return answer()
end), ARGV[6])
