-- Requests that carry the tokens of a file in rotation; the outcome as one line of JSON.
--   wrk -s load.lua URL -- TOKENS
-- A URL that ends in "=" gets a number, so that 4,096 different requests go round.
local requests = {}
local last = 0

function init(args)
  local path, many = wrk.path, wrk.path:sub(-1) == "=" and 16 or 1
  for number = 1, many do
    for token in io.lines(args[1]) do
      local address = many > 1 and path .. #requests or path
      requests[#requests + 1] = wrk.format("GET", address, { Authorization = "Bearer " .. token })
    end
  end
end

function request()
  last = last % #requests + 1
  return requests[last]
end

function done(summary, latency)
  local e = summary.errors
  io.write(string.format(
    'RESULT {"requests":%d,"bytes":%d,"seconds":%.6f,"p50_ms":%.3f,"p99_ms":%.3f,"refused":%d,"failed":%d}\n',
    summary.requests, summary.bytes, summary.duration / 1e6,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    e.status, e.connect + e.read + e.write + e.timeout))
end
