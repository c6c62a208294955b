-- Decides at the gate where a task waits.
-- ARGV: ..., did, fingerprint, keep_did_ms, task, '1' to reject, why
-- OK: now_us, owed, the task. Refusals: NOT_FOUND; NOT_WAITING state; REQUEST_ID_REUSED.
return with_row(once(ARGV[3], ARGV[4], ARGV[5], function()
  local task = load(ARGV[6])
  if not task then return {'NOT_FOUND'} end
  if task.state ~= AWAITING then return {'NOT_WAITING', task.state} end

  local why = ARGV[8] ~= '' and ARGV[8] or 'it was turned down'
  if ARGV[7] == '1' then
    log(task.root, 'rejected', task.id, 'd', ARGV[8])
    if task.parts == '1' then call_off(task.id, 'REJECTED', why) end
    over(task, task.gate == 'start' and CANCELLED or FAILED, 'REJECTED', why)
  else
    log(task.root, 'approved', task.id, 'd', ARGV[8])
    if task.gate == 'start' then
      task.gates = string.gsub(task.gates, 's', '')
      redis.call('HSET', task_key(task.id), 'gates', task.gates, 'gate', '')
      if task.parts == '1' then
        enter(task, RUNNING)
        start_parts(task.id)
        -- All of them may have been called off meanwhile.
        settle(task.id)
      else
        release(task)
      end
    else
      over(task, COMPLETED)
    end
  end
  return answer()
end), ARGV[6])
