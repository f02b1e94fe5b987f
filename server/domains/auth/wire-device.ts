import { create } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { DeviceSchema, type Device as WireDevice } from "#gen/backstay/auth/v1/device_pb.js";
import type { Device } from "./devices.js";

/** A sign-in on the wire. */
export function toDevice(device: Device): WireDevice {
  const { id, name, method, address, createdAt, lastSeenAt, expiresAt, current } = device;
  return create(DeviceSchema, {
    deviceId: id,
    name,
    method,
    address,
    createTime: timestampFromDate(createdAt),
    lastSeenTime: timestampFromDate(lastSeenAt),
    expireTime: timestampFromDate(expiresAt),
    current,
  });
}
