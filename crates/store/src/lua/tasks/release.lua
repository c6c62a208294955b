-- Gives a task back untried.
-- ARGV: ..., did, fingerprint, keep_did_ms, task, lease, why
-- OK: now_us, owed, the task. Refusals: NOT_FOUND; STALE state, worker; REQUEST_ID_REUSED.
return with_row(once(ARGV[3], ARGV[4], ARGV[5], function()
  local task = load(ARGV[6])
  local refused = stale(task, ARGV[7])
  if refused then return refused end

  redis.call('HINCRBY', task_key(task.id), 'attempts', -1)
  give_back(task, ARGV[8])
  count('put back: released')
  return answer()
end), ARGV[6])
