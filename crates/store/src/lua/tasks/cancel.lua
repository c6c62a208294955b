-- Calls off a task with what hangs on it.
-- ARGV: ..., did, fingerprint, keep_did_ms, task, reason, message
-- OK: now_us, owed, how many, the task. Refusals: NOT_FOUND; REQUEST_ID_REUSED.
return with_row(once(ARGV[3], ARGV[4], ARGV[5], function()
  local id = ARGV[6]
  local task = load(id)
  if not task then return {'NOT_FOUND'} end
  if is_over(task) then return answer(0) end

  redis.call('ZREM', key('schedules'), id)
  local count = 1
  if is_root(task) then
    count = count + call_off(id, ARGV[7], ARGV[8])
    close(task, ARGV[7] == 'DEADLINE_EXCEEDED' and FAILED or CANCELLED, ARGV[7], ARGV[8])
  else
    local before = tonumber(redis.call('HGET', task_key(task.root), 'in8') or 0)
    over(task, CANCELLED, ARGV[7], ARGV[8])
    count = tonumber(redis.call('HGET', task_key(task.root), 'in8') or 0) - before
  end
  return answer(count)
end), ARGV[6])
